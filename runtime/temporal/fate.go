package temporal

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// fate makes the death of the process of an interpreter, such as for too much memory, a
// part of the history: whoever repeats the run has it die at the same moment, for the same
// reason.
//
// A marker is only written when a process dies, and looked for in each repetition:
// [workflow.GetVersion] allows that.
func (x *execution) fate(why error) error {
	x.fates++ // of all processes of the execution: those of a run, and of its rollback
	if why == nil && !workflow.IsReplaying(x.ctx) {
		return nil
	}
	marker := fmt.Sprintf("provisioning.fate-%d", x.fates)
	if workflow.GetVersion(x.ctx, marker, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		if why != nil {
			panic(why) // it did not die here before: the server tries again
		}
		return nil
	}
	var f *journal.Fault
	recorded := workflow.SideEffect(x.ctx, func(workflow.Context) any { return journal.FaultOf(why) })
	if err := recorded.Get(&f); err != nil {
		panic(err)
	}
	return f.Err()
}
