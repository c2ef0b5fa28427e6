package schema

import (
	"fmt"
	"strings"
)

// Explain is the documentation of a schema for people: a line for each field, and
// what is said about it.
func (s *Schema) Explain() string {
	var b strings.Builder
	record, ok := s.shape.(*Record)
	if !ok {
		fmt.Fprintf(&b, "%s\n", s.summary())
		writeDoc(&b, s.Doc, "")
		return b.String()
	}
	if s.Doc != "" {
		writeDoc(&b, s.Doc, "")
		b.WriteByte('\n')
	}
	record.explain(&b, "")
	for _, check := range s.Checks {
		if check.Message != "" {
			fmt.Fprintf(&b, "checked: %s\n", check.Message)
		}
	}
	return b.String()
}

func (r *Record) explain(b *strings.Builder, indent string) {
	for _, f := range r.fields {
		fmt.Fprintf(b, "%s%s: %s\n", indent, f.Name, f.Schema.summary())
		writeDoc(b, f.Schema.Doc, indent+"    ")
		for _, check := range f.Schema.Checks {
			if check.Message != "" {
				fmt.Fprintf(b, "%s    checked: %s\n", indent, check.Message)
			}
		}
		if inner := innerRecord(f.Schema); inner != nil {
			inner.explain(b, indent+"    ")
		}
	}
}

// innerRecord is the record whose fields are explained with a field: its own, or
// that of the elements; nil for none.
func innerRecord(s *Schema) *Record {
	switch shape := s.shape.(type) {
	case *Record:
		return shape
	case *List:
		if shape.Of != nil {
			return innerRecord(shape.Of)
		}
	case *Map:
		if shape.Values != nil {
			return innerRecord(shape.Values)
		}
	}
	return nil
}

func writeDoc(b *strings.Builder, doc, indent string) {
	for line := range strings.Lines(doc) {
		fmt.Fprintf(b, "%s%s\n", indent, strings.TrimSpace(line))
	}
}

// summary is what a value may be, and what it is when nothing is given.
func (s *Schema) summary() string {
	text := s.brief()
	if s.sensitive() {
		if _, ok := s.shape.(*Text); ok {
			text += ", secret"
		}
	}
	switch {
	case s.Default != nil && s.sensitive():
		text += ", with a default"
	case s.Default != nil:
		text += ", default " + s.Default.String()
	case s.Optional:
		text += ", optional"
	case s.required():
		text += ", required"
	}
	if s.Deprecated != "" {
		text += ", deprecated: " + s.Deprecated
	}
	return text
}

// brief is what is expected, without the fields of records, which are listed below.
func (s *Schema) brief() string {
	switch shape := s.shape.(type) {
	case *Record:
		return "a record"
	case *List:
		if shape.Of != nil {
			return shape.expects() + ", each " + shape.Of.brief()
		}
	case *Map:
		if shape.Values != nil {
			return shape.expects() + ", each " + shape.Values.brief()
		}
	}
	return s.expects()
}
