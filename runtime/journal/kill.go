package journal

import "github.com/provisioning-systems/provisioning/internal/fault"

// death is how a journal ends with its process.
type death struct {
	come   chan struct{} // closed when it has come
	lose   bool
	buried bool // the writer has written its last
}

var errKilled = fault.New(fault.Journal, "the journal was killed")

// Kill ends the journal as the death of its process would, for those who test
// what comes of that: nothing is written any more when it returns. What nobody
// has waited for so far is lost, or was written in time: lose says which; both
// happen. Close it all the same. Kill must not be called twice.
func (j *Journal) Kill(lose bool) {
	j.death.lose = lose
	close(j.death.come)
	<-j.done
}

// last returns what is still written after a death.
func (j *Journal) last(batch []*op) []*op {
	if j.death.lose || j.death.buried {
		return nil
	}
	j.death.buried = true
	return j.waiting(batch)
}

// why is the error of what comes too late; nil for a journal that was closed.
func (d *death) why() error {
	select {
	case <-d.come:
		return errKilled
	default:
		return nil
	}
}
