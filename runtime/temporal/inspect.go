package temporal

import (
	"context"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// Staff are the workers that take work from a queue, as the server has lately seen them.
type Staff struct {
	Queue     string
	Workers   int
	Strangers []string // those whose key is another one
}

// Err says why runs on the queue do not go on; nil: they do.
func (s Staff) Err() error {
	switch {
	case s.Workers == 0:
		return fault.New(fault.Unavailable, "no worker takes work from the queue %s", s.Queue).
			WithHint("start one: provisioning worker --queue %s", s.Queue)
	case len(s.Strangers) > 0:
		return fault.New(fault.Permission, "workers of the queue %s have another key than this machine: %s", s.Queue, strings.Join(s.Strangers, ", ")).
			WithHint("all workers and clients need the same key: [engine.temporal] key_file")
	}
	return nil
}

// Inspect looks whether the server can be used, and who works on its queues: that of
// runs, and those that routes lead to.
func Inspect(ctx context.Context, s Settings, key *seal.Key) ([]Staff, error) {
	s = s.complete()
	c, _, err := s.dial(ctx, key, nil, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if _, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.Namespace}); err != nil {
		return nil, s.told(err)
	}
	if key, err = s.shared(key); err != nil {
		return nil, err
	}
	var all []Staff
	for _, queue := range s.queues() {
		kind := enumspb.TASK_QUEUE_TYPE_ACTIVITY
		if queue == s.Queue {
			kind = enumspb.TASK_QUEUE_TYPE_WORKFLOW
		}
		staff, err := staffOf(ctx, c, queue, kind, key)
		if err != nil {
			return nil, s.told(err)
		}
		all = append(all, staff)
	}
	return all, nil
}

// forgotten is how long before others a worker has last asked for work when it counts as
// gone: the server remembers workers for minutes, and each asks at least every minute.
// Times are compared with each other, as the clock here may be another one; only those
// with another key have to have been there by this clock as well, so that a key can be
// changed when they were stopped.
const forgotten = 90 * time.Second

// staffOf asks the server who works on a queue.
func staffOf(ctx context.Context, c client.Client, queue string, kind enumspb.TaskQueueType, key *seal.Key) (Staff, error) {
	staff := Staff{Queue: queue}
	mine, err := keyPrint(key)
	if err != nil {
		return staff, err
	}
	d, err := c.DescribeTaskQueue(ctx, queue, kind)
	if err != nil {
		return staff, err
	}
	var latest time.Time
	for _, p := range d.Pollers {
		if at := p.LastAccessTime.AsTime(); at.After(latest) {
			latest = at
		}
	}
	for _, p := range d.Pollers {
		if latest.Sub(p.LastAccessTime.AsTime()) > forgotten {
			continue
		}
		staff.Workers++
		if _, theirs, ok := strings.Cut(p.Identity, printMark); ok && theirs != mine && time.Since(p.LastAccessTime.AsTime()) < forgotten {
			staff.Strangers = append(staff.Strangers, p.Identity)
		}
	}
	return staff, nil
}

// agree sees that those who work on queues can read what is sealed with a key. What they
// cannot read they would fail.
func agree(ctx context.Context, c client.Client, queues []string, kind enumspb.TaskQueueType, key *seal.Key) error {
	for _, queue := range queues {
		staff, err := staffOf(ctx, c, queue, kind, key)
		if err != nil {
			return err
		}
		if len(staff.Strangers) > 0 {
			return staff.Err()
		}
	}
	return nil
}

// told puts what the server answers into words for people.
func (s Settings) told(err error) error {
	if fault.As(err) != nil {
		return err
	}
	if known := s.permission(err); known != nil {
		return known
	}
	return fault.Wrap(fault.Unavailable, err, "the Temporal server at %s", s.Address)
}
