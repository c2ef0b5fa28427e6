package temporal

import (
	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/schedule"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// plan is what the server keeps of a schedule, and the workflow of each of its times
// begins with.
type plan struct {
	Name     string
	Spec     schedule.Spec // as it was given: the server's own form says less
	Template *journal.Template
	Routes   []route
	Limit    int
}

// scheduled is the workflow of one time of a schedule. It makes a run, and lasts as long
// as that does, so that the server knows what overlaps. Runs go on without it.
func scheduled(ctx workflow.Context, in plan) (ending, error) {
	var key []byte
	if err := workflow.SideEffect(ctx, func(workflow.Context) any { return seal.NewBox().Key }).Get(&key); err != nil {
		return ending{}, err
	}
	info := workflow.GetInfo(ctx)
	id := runOf(info.FirstRunID)
	b := in.Template.Bundle(id, workflow.Now(ctx))
	b.Run.Executions = 1
	b.Run.State = journal.Running
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: id, TaskQueue: info.TaskQueueName, WorkflowTaskTimeout: taskTime,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON, WaitForCancellation: true,
	})
	var end ending
	err := workflow.ExecuteChildWorkflow(ctx, workflowRun, input{
		Parcel: &runtime.Parcel{Bundle: b, Key: key}, Quiet: true, Limit: in.Limit, Routes: in.Routes,
	}).Get(ctx, &end)
	end.Last = nil // it is with the run
	return end, err
}

// runOf is the id of the run of a workflow that a schedule has begun. The server draws
// those ids so that many begin in the same way; ids of runs are typed by their
// beginnings.
func runOf(execution string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("provisioning.scheduled/"+execution)).String()
}
