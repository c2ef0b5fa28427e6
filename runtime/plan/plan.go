// Package plan is what check mode finds out: the effects that a run would have,
// as a tree of branches, with an honest mark where it could not see further.
package plan

import (
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// Plan is the tree. It is filled by several branches at once; read it when they
// have ended.
type Plan struct {
	mu    sync.Mutex
	nodes map[string]*Node
}

// Node is one branch.
type Node struct {
	Path     string  `json:"path"`
	Items    []Item  `json:"effects"`
	Children []*Node `json:"branches,omitempty"`
	// Stops says why the plan does not follow the branch to its end.
	Stops string `json:"stops,omitempty"`

	after int // how many effects of the parent come before
}

// Item is one effect.
type Item struct {
	Place       string        `json:"place"`
	Kind        string        `json:"kind"`
	Write       bool          `json:"write"`
	Change      effect.Change `json:"change,omitempty"`
	Quality     string        `json:"quality,omitempty"` // of the prediction
	Undo        bool          `json:"undo,omitempty"`    // rollback can take it back
	Description string        `json:"description"`
	Position    string        `json:"position"`
	Diff        string        `json:"diff,omitempty"`
	// Depends names what is not known yet and would have to be, to say more.
	Depends string `json:"depends,omitempty"`
	// After says that a read was made now although a planned write comes before
	// it that may change anything: in the run it may give something else.
	After bool `json:"after_blind_write,omitempty"`
}

// Summary counts the effects of a plan.
type Summary struct {
	Create    int `json:"create"`
	Update    int `json:"update"`
	Delete    int `json:"delete"`
	Run       int `json:"run"`
	Unchanged int `json:"unchanged"`
	Reads     int `json:"reads"`
	Ask       int `json:"ask"`         // questions to a person
	Early     int `json:"early_reads"` // of the reads: made before a blind write that comes before them
	Stops     int `json:"stops"`       // branches that the plan does not follow to their end
}

// Changes reports whether the run would, or might, change anything.
func (s Summary) Changes() bool { return s.Create+s.Update+s.Delete+s.Run+s.Stops > 0 }

// New returns an empty plan.
func New() *Plan { return &Plan{nodes: map[string]*Node{"0": {Path: "0"}}} }

// Add adds an effect to the branch at path.
func (p *Plan) Add(path string, item Item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.node(path)
	n.Items = append(n.Items, item)
}

// Stop notes why the plan does not follow the branch at path to its end.
func (p *Plan) Stop(path, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.node(path).Stops = why
}

func (p *Plan) node(path string) *Node {
	if n := p.nodes[path]; n != nil {
		return n
	}
	parent := p.node(path[:strings.LastIndexByte(path, '.')])
	n := &Node{Path: path, after: len(parent.Items)} // the parent waits for its branches
	parent.Children = append(parent.Children, n)
	p.nodes[path] = n
	return n
}

// Root returns the tree, with branches in their order.
func (p *Plan) Root() *Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.nodes {
		sort.Slice(n.Children, func(i, j int) bool { return index(n.Children[i].Path) < index(n.Children[j].Path) })
	}
	return p.nodes["0"]
}

func index(path string) int {
	i, _ := strconv.Atoi(path[strings.LastIndexByte(path, '.')+1:])
	return i
}

// Summary counts the effects.
func (p *Plan) Summary() Summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s Summary
	for _, n := range p.nodes {
		if n.Stops != "" {
			s.Stops++
		}
		for _, item := range n.Items {
			s.count(item)
		}
	}
	return s
}

func (s *Summary) count(item Item) {
	if !item.Write {
		s.Reads++
		if item.After {
			s.Early++
		}
		return
	}
	switch item.Change {
	case effect.Create:
		s.Create++
	case effect.Update:
		s.Update++
	case effect.Delete:
		s.Delete++
	case effect.None:
		s.Unchanged++
	case effect.Ask:
		s.Ask++
	default:
		s.Run++
	}
}
