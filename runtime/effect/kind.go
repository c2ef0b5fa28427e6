package effect

// Kinds that the runtime itself knows by name: rollback and resume treat them in
// their own way. All others are known only to the module that declares them.
const (
	KindCheckpoint = "checkpoint"  // its description is the name of the checkpoint
	KindOnRollback = "on_rollback" // rollback calls what was registered for its place
	KindApproval   = "approval"    // waits for a person, and is never in doubt
	KindWaitUntil  = "wait_until"  // the end of a wait that was in vain
	KindPause      = "pause"       // between two tries
	KindHandler    = "op.handler"  // whether something has changed, asked at the end of a scope
	// KindFork is the kind of the records that say how branches ended. They are no
	// effects, but have their place among them.
	KindFork = "parallel"
)

// ofTheRun are kinds that are about the run itself, and nothing in the world.
var ofTheRun = map[string]bool{
	KindCheckpoint: true, KindOnRollback: true, "sleep": true, KindPause: true, KindWaitUntil: true,
	KindHandler: true,
}

// bookkeeping are the marks that control functions leave in the journal. They
// reach nothing; what the functions call is asked about itself.
var bookkeeping = map[string]bool{KindPause: true, KindWaitUntil: true, KindOnRollback: true, KindFork: true, KindHandler: true}

// Bookkeeping reports whether effects of the kind need no capability.
func Bookkeeping(kind string) bool { return bookkeeping[kind] }

// OfTheRun reports whether effects of a kind are about the run alone: waits and
// marks. They happen in every run, whoever answers its other effects.
func OfTheRun(kind string) bool { return ofTheRun[kind] }
