package isolate

import (
	"time"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// What the parent sends.
type (
	// start is the first message.
	start struct {
		RunID, Infra, Workspace, Program string
		Check, Replay                    bool
		Guarded                          bool   // modules may not load what they like
		Compares                         bool   // an edited script is followed along a journal
		Ordered                          bool   // branches follow each other
		Turns                            bool   // branches take turns
		Key                              []byte // of the markers of secrets
		Limits                           sandbox.Limits
	}
	// doReady, doRun and doCall are what the other side has to do, one at a time.
	// It answers with a done.
	doReady struct {
		Name, Entry string
		Inputs      []byte
	}
	doRun  struct{}
	doCall struct { // a function that on_rollback has registered
		Place, Path string
		Limits      sandbox.Limits
	}
	// answer answers the request of the same number.
	answer struct {
		ID      int64
		Fault   *carried
		Value   []byte // codec, on the wire
		Ordinal int    // of the branch, by now
		Planned int    // how many more writes were planned for it
		Fork    forked
		Same    bool // the fault is that of the request
		Wraps   bool // the fault has that of the request as its cause
		Arm     int  // of a decision
	}
	forked struct {
		Place  string
		Closed bool
		Err    *carried
		ID     int
	}
	// stop ends the run.
	stop struct{ Why *carried }
)

// What the interpreter sends.
type (
	// site is where in the script a request comes from.
	site struct {
		ID        int64
		Path      string
		Pos       string
		Functions []string // names, innermost first
		Modules   []string // files of the code that led to it
		Trail     string   // positions of the calls that led to it
		Cancelled bool     // the branch was told to stop
	}
	askEffect struct {
		site
		Kind   string
		Given  string // for each parameter: 1 when it was given
		Args   []byte // codec, on the wire: tuple of those that were given
		Under  []byte // list of pairs
		State  []byte // of a hidden effect: tuple
		More   bool   // effect.Options.More
		Routed bool   // effect.Call.Routed
	}
	askSettle struct{ site } // what was held back is to be performed
	askFork   struct {
		site
		Fn    string
		N     int
		Limit int
		Keeps bool
	}
	askJoin struct {
		site
		Fork    int
		Err     *carried
		Results []string // in check mode
	}
	askDecide struct {
		site
		Unknown []byte // codec, on the wire
		Op      string
	}
	askPass struct {
		site
		N, Was int
	}
	askLog struct {
		site
		Level, Text string
	}
	askProgress struct {
		site
		Done, Total int64
		Note        string
	}
	askEnded struct {
		site
		Why *carried
	}
	askHandled struct {
		ID     int64
		Places []string
	}
	askHeld struct {
		ID    int64
		Lines []branch.Line
	}
	askSource struct {
		ID   int64
		Name string
	}
	askLoad struct {
		ID         int64
		Name, From string
	}
	// tellBranch says that a branch has begun or ended.
	tellBranch struct {
		Path, Text, Status, Error string
		Ended                     bool
		Took                      int64
	}
	tellCancel struct{ Path string } // another branch has failed
	tellHalt   struct{ Why *carried }
	// tellIdle says, where branches take turns, that all of them wait for answers.
	tellIdle struct{}
	// done ends what the interpreter was told to do.
	done struct {
		Value []byte // codec, on the wire
		Lines []branch.Line
		Fault *carried
	}
)

// secret is sent by both: what one learns, the other has to know.
type secret struct{ Name, Plain string }

func kindOf(m message) byte {
	switch m.(type) {
	case *start:
		return 1
	case *doReady:
		return 2
	case *doRun:
		return 3
	case *doCall:
		return 4
	case *answer:
		return 5
	case *stop:
		return 6
	case *secret:
		return 7
	case *askEffect:
		return 20
	case *askFork:
		return 21
	case *askJoin:
		return 22
	case *askDecide:
		return 23
	case *askLog:
		return 24
	case *askProgress:
		return 25
	case *askEnded:
		return 26
	case *askHandled:
		return 27
	case *askHeld:
		return 28
	case *askSource:
		return 29
	case *askPass:
		return 34
	case *askLoad:
		return 35
	case *askSettle:
		return 36
	case *tellBranch:
		return 30
	case *tellCancel:
		return 31
	case *tellHalt:
		return 32
	case *done:
		return 33
	case *tellIdle:
		return 37
	}
	panic("isolate: a message without a kind")
}

// fromParent makes the messages that the interpreter gets.
func fromParent(kind byte) message {
	return pick(kind, &start{}, &doReady{}, &doRun{}, &doCall{}, &answer{}, &stop{}, &secret{})
}

// fromChild makes the messages that the parent gets.
func fromChild(kind byte) message {
	return pick(kind, &askEffect{}, &askSettle{}, &askFork{}, &askJoin{}, &askDecide{}, &askLog{}, &askProgress{}, &askEnded{}, &askHandled{},
		&askHeld{}, &askSource{}, &askPass{}, &askLoad{}, &tellBranch{}, &tellCancel{}, &tellHalt{}, &tellIdle{}, &done{}, &secret{})
}

func pick(kind byte, messages ...message) message {
	for _, m := range messages {
		if kindOf(m) == kind {
			return m
		}
	}
	return nil
}

func (m *start) fields(c *coder) {
	for _, s := range []*string{&m.RunID, &m.Infra, &m.Workspace, &m.Program} {
		c.text(s)
	}
	c.flag(&m.Check)
	c.flag(&m.Replay)
	c.flag(&m.Guarded)
	c.flag(&m.Compares)
	c.flag(&m.Ordered)
	c.flag(&m.Turns)
	c.data(&m.Key)
	limits(c, &m.Limits)
}

func limits(c *coder, l *sandbox.Limits) {
	wall := int64(l.Wall)
	cpu := int64(l.CPU)
	for _, n := range []*int64{&l.Steps, &wall, &cpu, &l.Memory, &l.Depth, &l.Output, &l.Branches, &l.Effects} {
		c.number(n)
	}
	l.Wall, l.CPU = time.Duration(wall), time.Duration(cpu)
}

func (m *doReady) fields(c *coder) {
	c.text(&m.Name)
	c.text(&m.Entry)
	c.data(&m.Inputs)
}

func (m *doRun) fields(*coder) {}

func (m *doCall) fields(c *coder) {
	c.text(&m.Place)
	c.text(&m.Path)
	limits(c, &m.Limits)
}

func (m *answer) fields(c *coder) {
	c.number(&m.ID)
	c.fault(&m.Fault)
	c.data(&m.Value)
	c.count(&m.Ordinal)
	c.count(&m.Planned)
	c.text(&m.Fork.Place)
	c.flag(&m.Fork.Closed)
	c.fault(&m.Fork.Err)
	c.count(&m.Fork.ID)
	c.flag(&m.Same)
	c.flag(&m.Wraps)
	c.count(&m.Arm)
}

func (m *stop) fields(c *coder) { c.fault(&m.Why) }

func (m *secret) fields(c *coder) {
	c.text(&m.Name)
	c.text(&m.Plain)
}

func (s *site) fields(c *coder) {
	c.number(&s.ID)
	c.text(&s.Path)
	c.text(&s.Pos)
	c.texts(&s.Functions)
	c.texts(&s.Modules)
	c.text(&s.Trail)
	c.flag(&s.Cancelled)
}

func (m *askEffect) fields(c *coder) {
	m.site.fields(c)
	c.text(&m.Kind)
	c.text(&m.Given)
	c.data(&m.Args)
	c.data(&m.Under)
	c.data(&m.State)
	c.flag(&m.More)
	c.flag(&m.Routed)
}

func (m *askSettle) fields(c *coder) { m.site.fields(c) }

func (m *askFork) fields(c *coder) {
	m.site.fields(c)
	c.text(&m.Fn)
	c.count(&m.N)
	c.count(&m.Limit)
	c.flag(&m.Keeps)
}

func (m *askJoin) fields(c *coder) {
	m.site.fields(c)
	c.count(&m.Fork)
	c.fault(&m.Err)
	c.texts(&m.Results)
}

func (m *askDecide) fields(c *coder) {
	m.site.fields(c)
	c.data(&m.Unknown)
	c.text(&m.Op)
}

func (m *askPass) fields(c *coder) {
	m.site.fields(c)
	c.count(&m.N)
	c.count(&m.Was)
}

func (m *askLoad) fields(c *coder) {
	c.number(&m.ID)
	c.text(&m.Name)
	c.text(&m.From)
}

func (m *askLog) fields(c *coder) {
	m.site.fields(c)
	c.text(&m.Level)
	c.text(&m.Text)
}

func (m *askProgress) fields(c *coder) {
	m.site.fields(c)
	c.number(&m.Done)
	c.number(&m.Total)
	c.text(&m.Note)
}

func (m *askEnded) fields(c *coder) {
	m.site.fields(c)
	c.fault(&m.Why)
}

func (m *askHandled) fields(c *coder) {
	c.number(&m.ID)
	c.texts(&m.Places)
}

func (m *askHeld) fields(c *coder) {
	c.number(&m.ID)
	c.lines(&m.Lines)
}

func (m *askSource) fields(c *coder) {
	c.number(&m.ID)
	c.text(&m.Name)
}

func (m *tellBranch) fields(c *coder) {
	for _, s := range []*string{&m.Path, &m.Text, &m.Status, &m.Error} {
		c.text(s)
	}
	c.flag(&m.Ended)
	c.number(&m.Took)
}

func (m *tellCancel) fields(c *coder) { c.text(&m.Path) }
func (m *tellHalt) fields(c *coder)   { c.fault(&m.Why) }
func (m *tellIdle) fields(*coder)     {}

func (m *done) fields(c *coder) {
	c.data(&m.Value)
	c.lines(&m.Lines)
	c.fault(&m.Fault)
}

// lines reads or writes what was printed.
func (c *coder) lines(lines *[]branch.Line) {
	n := c.length(len(*lines))
	for i := range n {
		var l branch.Line
		if c.writing {
			l = (*lines)[i]
		}
		c.text(&l.Level)
		c.text(&l.Text)
		if c.err != nil {
			return
		}
		if !c.writing {
			*lines = append(*lines, l)
		}
	}
}
