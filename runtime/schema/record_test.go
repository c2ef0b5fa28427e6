package schema

import (
	"testing"

	"go.starlark.net/starlark"
)

// A field that is not known is told also when one that is known is not there.
func TestUnknownFieldInPlaceOfAnother(t *testing.T) {
	field, err := New(&Text{}, Options{Default: starlark.String("hello")})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(&Record{Fields: []Field{{Name: "greeting", Schema: field}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := starlark.NewDict(1)
	_ = d.SetKey(starlark.String("greting"), starlark.String("HELLO"))
	_, report, err := s.Validate(&starlark.Thread{}, d, nil)
	if err != nil || len(report.Problems) != 1 || report.Problems[0].Message != `unknown field greting (did you mean "greeting"?)` {
		t.Errorf("%+v %v", report, err)
	}
}
