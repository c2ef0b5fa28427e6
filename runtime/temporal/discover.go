package temporal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

// Discover takes copies of runs that this machine did not begin: those of schedules, and
// of other clients. It looks at the newest ones of the queue, at most limit, whose id
// begins with the given text.
func (c *Client) Discover(ctx context.Context, begin string, limit int) error {
	ids, err := c.strangers(ctx, begin, limit)
	if err != nil {
		return c.said(err, begin)
	}
	for _, id := range slices.Backward(ids) { // so that the newest is the last one here, too
		parcel, err := c.parcel(ctx, id)
		var failed *serviceerror.QueryFailed
		if errors.As(err, &failed) {
			continue // a worker is there, and cannot tell: that one is broken, the others are not
		}
		if err != nil {
			return c.said(err, id)
		}
		if _, err := c.rt.Unpack(parcel); err != nil {
			return err
		}
	}
	return nil
}

// strangers are the ids of runs that the journal does not know, newest first.
func (c *Client) strangers(ctx context.Context, begin string, limit int) ([]string, error) {
	j, err := c.rt.Journal()
	if err != nil {
		return nil, err
	}
	query := fmt.Sprintf("WorkflowType = '%s' AND TaskQueue = '%s'", workflowRun, strings.ReplaceAll(c.settings.Queue, "'", "''"))
	if begin != "" {
		query += fmt.Sprintf(" AND WorkflowId STARTS_WITH '%s'", begin)
	}
	list, err := c.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: int32(limit)})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range list.Executions {
		id := e.Execution.WorkflowId
		known, err := j.Knows(id)
		if err != nil {
			return nil, err
		}
		if !known && !slices.Contains(ids, id) { // one that went on in another history is there twice
			ids = append(ids, id)
		}
	}
	return ids, nil
}
