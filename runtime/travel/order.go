package travel

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// The journal numbers effects in the order in which they were begun. That is the
// order of the script, too, unless it was edited while the run was open: what was
// inserted then has a later number than what comes after it.

// order puts effects into an order in which a script can come to them: that of
// their numbers, but none before what comes first in its own branch, with the
// branches that were made there, and before what made its branch.
func order(effects []*journal.Effect) []int {
	s := sorting{effects: effects, branches: map[string][]int{}, placed: make([]bool, len(effects))}
	for i, e := range effects {
		path := branch.PathOf(e.Place)
		s.branches[path] = append(s.branches[path], i)
	}
	for _, all := range s.branches {
		slices.SortStableFunc(all, func(a, b int) int {
			return cmp.Compare(ordinalOf(effects[a].Place), ordinalOf(effects[b].Place))
		})
	}
	for i := range effects {
		s.place(i)
	}
	return s.order
}

type sorting struct {
	effects  []*journal.Effect
	branches map[string][]int // by path, in the order of their places
	placed   []bool
	order    []int
}

// place puts an effect behind all that the script does before it.
func (s *sorting) place(i int) {
	if s.placed[i] {
		return
	}
	s.placed[i] = true
	path := branch.PathOf(s.effects[i].Place)
	if maker, ok := s.maker(path); ok {
		s.place(maker)
	}
	children := 0
	for _, before := range s.branches[path] {
		if before == i {
			break
		}
		s.place(before)
		if e := s.effects[before]; e.Kind == effect.KindFork {
			for range itemsOf(e) {
				s.placeBranch(path + "." + strconv.Itoa(children))
				children++
			}
		}
	}
	s.order = append(s.order, i)
}

// placeBranch places what a branch did, and those that it has made.
func (s *sorting) placeBranch(path string) {
	children := 0
	for _, i := range s.branches[path] {
		s.place(i)
		if e := s.effects[i]; e.Kind == effect.KindFork {
			for range itemsOf(e) {
				s.placeBranch(path + "." + strconv.Itoa(children))
				children++
			}
		}
	}
}

// maker is the effect that has made the branch at path.
func (s *sorting) maker(path string) (int, bool) {
	parent := parentOf(path)
	if parent == "" {
		return 0, false
	}
	n, err := strconv.Atoi(path[len(parent)+1:])
	if err != nil {
		return 0, false
	}
	for _, i := range s.branches[parent] {
		if e := s.effects[i]; e.Kind == effect.KindFork {
			if n -= itemsOf(e); n < 0 {
				return i, true
			}
		}
	}
	return 0, false
}

// itemsOf is how many branches a fork made; none where its description, which
// comes from outside, does not say so.
func itemsOf(e *journal.Effect) int {
	i := strings.LastIndex(e.Description, " for ")
	if i < 0 {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSuffix(e.Description[i+len(" for "):], " items"))
	if err != nil || n < 0 || n > 1<<20 {
		return 0
	}
	return n
}
