package operation

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Party is operations on one machine that follow each other in a script with
// nothing between them. They are performed one after the other, by one goroutine;
// what they share is knowledge of the machine.
//
// A change makes all knowledge old. To ask again for all operations after each one
// would cost n² questions when n of them change something; to ask for the next one
// only, n round trips when none does. So the party looks ahead half as far after each
// change, and twice as far whenever an operation finds that nothing is known of it.
// There is at most one round trip for each operation either way: one that has to ask
// comes after one that had nothing to do.
type Party struct {
	waiting [][]fact.Fact // of those that were not performed yet
	known   *fact.World   // nil: nothing, since something has changed
	far     int           // for how many operations it asks after a change
}

// firstFar is how far a party looks before it knows how many operations change
// something.
const firstFar = 8

// Party tells which operations can travel together: those on the same machine and
// as the same user.
func (b *Base) Party(options effect.Options) string {
	t, err := b.machine()
	if err != nil || b.marked(options) != nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s %t %v %s", t.ID, t.Becomes(), options.User, options.Sudo, options.Env, options.Cwd)
}

// Scout gathers the facts of all operations of a party in one round trip.
func (b *Base) Scout(ctx context.Context, env *effect.Env, all []effect.Performer) (any, error) {
	p := &Party{far: firstFar}
	for _, do := range all {
		p.waiting = append(p.waiting, do.(Operation).Facts())
	}
	conn, err := b.connect(ctx, env)
	if err != nil {
		return nil, err
	}
	p.known, err = fact.Gather(ctx, conn, b.target.As(env), slices.Concat(p.waiting...))
	return p, err
}

// ahead are the facts of the operations after this one, as far as the party looks.
func (p *Party) ahead() []fact.Fact {
	if p == nil {
		return nil
	}
	return slices.Concat(p.waiting[:min(p.far, len(p.waiting))]...)
}

// turn notes that the next operation has begun.
func (p *Party) turn() {
	if p != nil && len(p.waiting) > 0 {
		p.waiting = p.waiting[1:]
	}
}

// know returns what is known, if that is all of facts.
func (p *Party) know(facts []fact.Fact) *fact.World {
	if p == nil || p.known == nil || len(p.known.Missing(facts)) > 0 {
		return nil
	}
	return p.known
}

// ask finds out facts that are not known, and with them those of operations ahead.
func (p *Party) ask(facts []fact.Fact, gather func([]fact.Fact) (*fact.World, error)) (*fact.World, error) {
	if p == nil {
		return gather(facts)
	}
	p.far *= 2
	more := p.ahead()
	w, err := gather(slices.Concat(facts, more))
	if len(more) > 0 && (fault.Is(err, fault.Permission) || fault.Is(err, fault.Failed)) {
		return gather(facts) // it may be another one's, who says so when it has its turn
	}
	p.known = w
	return w, err
}

// forget notes that something may have changed.
func (p *Party) forget() {
	if p != nil {
		p.known = nil
	}
}

// follow adds to a script that changes something the questions of the operations
// after it, so that their facts come back with its end. read takes them out of the
// output, and gives the code and the output of the script itself. It is nil when
// there is nothing to ask.
func (p *Party) follow(script string) (text string, read func(code int, stdout []byte) (int, string)) {
	p.forget()
	if p == nil || len(p.waiting) == 0 {
		return script, nil
	}
	p.far = max(p.far/2, 1)
	questions, parse := fact.Script(p.ahead())
	mark := "\036" + rand.Text() + " " // nothing that the script prints has it in it
	text = "(\n" + script + "\n)\n_rc=$?\nprintf '" + strings.ReplaceAll(mark, "\036", `\036`) + "%s\\n' $_rc\n[ $_rc = 0 ] || exit $_rc\n" + questions
	return text, func(code int, stdout []byte) (int, string) {
		i := bytes.LastIndex(stdout, []byte(mark))
		if i < 0 {
			return code, string(stdout)
		}
		rest := stdout[i+len(mark):]
		rc, answers, _ := bytes.Cut(rest, []byte("\n"))
		n, err := strconv.Atoi(string(rc))
		if err != nil {
			n = code
		}
		if n == 0 {
			p.known, _ = parse(answers) // without an answer the next operation asks by itself
		}
		return n, string(stdout[:i])
	}
}
