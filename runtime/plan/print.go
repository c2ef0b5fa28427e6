package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var signs = map[effect.Change]string{
	effect.Create: "+", effect.Update: "~", effect.Delete: "-", effect.None: "=", effect.Act: "!", effect.Ask: "?",
}

// Print writes the plan as a tree. Effects that change nothing, and reads, are
// shown only when all is set.
func (p *Plan) Print(w io.Writer, all bool) {
	printNode(w, p.Root(), "  ", all)
	fmt.Fprintln(w, p.Summary())
}

func printNode(w io.Writer, n *Node, indent string, all bool) {
	children := n.Children
	for i, item := range n.Items {
		for len(children) > 0 && children[0].after <= i {
			printChild(w, children[0], indent, all)
			children = children[1:]
		}
		printItem(w, item, indent, all)
	}
	for _, c := range children {
		printChild(w, c, indent, all)
	}
	if n.Stops != "" {
		fmt.Fprintf(w, "%s? the plan of this branch ends here: %s\n", indent, n.Stops)
	}
}

func printChild(w io.Writer, n *Node, indent string, all bool) {
	if !all && !n.interesting() {
		return
	}
	fmt.Fprintf(w, "%sbranch %s\n", indent, n.Path)
	printNode(w, n, indent+"  ", all)
}

func (n *Node) interesting() bool {
	if n.Stops != "" {
		return true
	}
	for _, item := range n.Items {
		if item.Write && item.Change != effect.None {
			return true
		}
	}
	for _, c := range n.Children {
		if c.interesting() {
			return true
		}
	}
	return false
}

func printItem(w io.Writer, item Item, indent string, all bool) {
	if !all && (!item.Write || item.Change == effect.None) {
		return
	}
	sign := signs[item.Change]
	if !item.Write {
		sign = "?"
		if item.Depends == "" {
			sign = " "
		}
	}
	fmt.Fprintf(w, "%s%s %s %s", indent, sign, item.Kind, item.Description)
	var notes []string
	if item.Write && item.Quality != effect.Exact.String() {
		notes = append(notes, item.Quality)
	}
	if item.After {
		notes = append(notes, "a command before it may change the answer")
	}
	if item.Depends != "" {
		notes = append(notes, "depends on "+item.Depends)
	}
	if len(notes) > 0 {
		fmt.Fprintf(w, "  (%s)", strings.Join(notes, ", "))
	}
	fmt.Fprintf(w, "  %s\n", item.Position)
	if item.Diff != "" {
		fmt.Fprintf(w, "%s    %s\n", indent, strings.ReplaceAll(strings.TrimRight(item.Diff, "\n"), "\n", "\n"+indent+"    "))
	}
}

func (s Summary) String() string {
	text := fmt.Sprintf("plan: %d to create, %d to update, %d to delete, %d to run, %d unchanged; %d reads made",
		s.Create, s.Update, s.Delete, s.Run, s.Unchanged, s.Reads)
	if s.Ask > 0 {
		text += fmt.Sprintf("; %d to ask", s.Ask)
	}
	if s.Early > 0 {
		text += fmt.Sprintf("; %d of the reads come after commands that may change what they say", s.Early)
	}
	if s.Stops == 1 {
		text += "; 1 branch could not be followed to its end"
	} else if s.Stops > 1 {
		text += fmt.Sprintf("; %d branches could not be followed to their end", s.Stops)
	}
	return text
}
