package operation

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Party is operations on one machine that follow each other in a script with
// nothing between them. They are performed one after the other, by one goroutine;
// what they share is knowledge of the machine.
type Party struct {
	waiting [][]fact.Fact // of those that were not performed yet
	known   *fact.World   // nil: nothing, since something has changed
}

// Party tells which operations can travel together: those on the same machine and
// as the same user.
func (b *Base) Party(options effect.Options) string {
	t, err := b.machine()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s %s %t %v %s", t.ID, options.User, options.Sudo, options.Env, options.Cwd)
}

// Scout gathers the facts of all operations of a party in one round trip.
func (b *Base) Scout(ctx context.Context, env *effect.Env, all []effect.Performer) (any, error) {
	p := &Party{}
	for _, do := range all {
		p.waiting = append(p.waiting, do.(Operation).Facts())
	}
	conn, err := b.connect(ctx, env)
	if err != nil {
		return nil, err
	}
	p.known, err = fact.Gather(ctx, conn, b.target.As(env), p.wanted())
	return p, err
}

func (p *Party) wanted() []fact.Fact {
	var facts []fact.Fact
	for _, w := range p.waiting {
		facts = append(facts, w...)
	}
	return facts
}

// next are the facts of the operations that come after this one.
func (p *Party) next() []fact.Fact {
	if p == nil {
		return nil
	}
	return p.wanted()
}

// know takes the next operation's turn: it returns what is known, if that is all
// of facts.
func (p *Party) know(facts []fact.Fact) *fact.World {
	if len(p.waiting) > 0 {
		p.waiting = p.waiting[1:]
	}
	if p.known == nil || len(p.known.Missing(facts)) > 0 {
		return nil
	}
	return p.known
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
	questions, parse := fact.Script(p.wanted())
	mark := "\036end of the change \036"
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
