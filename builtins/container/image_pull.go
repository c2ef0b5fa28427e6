package container

import (
	"context"
	"strings"
	"time"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def image_pull(image, user = "", password = "", always = False, engine = ""):
    """Fetches an image from its registry, unless the engine has it.

    Undo removes an image that was not there before.

    Args:
      image: its name, with the registry in front and a tag or digest behind it.
      user: who the registry is asked as; "" for nobody.
      password: the password or token of user.
      always: ask the registry although the engine has an image of that name.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when the engine has the image.
    Errors:
      permission when the registry does not let the user in; not_found when it has
      no such image; network when the engine cannot reach it.
    Example:
      container.image_pull("registry.example.com/web:1.4", user = "ci", password = secret.get("env://TOKEN"))
    """`, &imagePull{}, effect.Approximate)

type imagePull struct {
	renamed
	User     string `star:"user"`
	Password string `star:"password,secret"`
	Always   bool   `star:"always"`
}

var (
	_ effect.Validator  = (*imagePull)(nil)
	_ effect.Describer  = (*imagePull)(nil)
	_ effect.Predictor  = (*imagePull)(nil)
	_ effect.Toucher    = (*imagePull)(nil)
	_ effect.Undoer     = (*imagePull)(nil)
	_ effect.Repeatable = (*imagePull)(nil)
	_ effect.Remote     = (*imagePull)(nil)
)

func (i *imagePull) Repeatable() bool { return true }

func (i *imagePull) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	was, found, err := e.LookImage(ctx, i.Image)
	if err != nil {
		return nil, err
	}
	if found && !i.Always {
		return changed(i.Image, false, "", began), nil
	}
	as := engine.Login{User: i.User}
	if as.Password, err = env.Run.Secrets.Expand(i.Password); err != nil {
		return nil, err
	}
	now, err := e.Pull(ctx, i.Image, as, progress(env))
	if err != nil {
		return nil, err
	}
	return changed(i.Image, was.ID != now.ID, i.diff("pulled"), began), nil
}

func (i *imagePull) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	_, found, err := i.look(ctx, env)
	if err != nil || found && !i.Always {
		return prediction(i.Image, effect.None, ""), err
	}
	return i.predicted(env, found, "pulled"), nil
}

// anImage is the image that an effect is about.
type anImage struct {
	Image string `star:"image"`
	on
}

func (i *anImage) Describe() string             { return i.Image }
func (i *anImage) Validate() error              { return engine.ValidImage(i.Image) }
func (i *anImage) Touches(*effect.Env) []string { return []string{resource(images, i.Engine, i.Image)} }
func (i *anImage) diff(how string) string       { return i.Image + ": " + how + "\n" }

// look tells whether the image is there, as planned writes leave it.
func (i *anImage) look(ctx context.Context, env *effect.Env) (there engine.Image, found bool, err error) {
	if s := planned(env, images, i.Engine, i.Image); s != "" {
		return there, s == present, nil
	}
	e, err := i.open(ctx, env)
	if err != nil {
		return there, false, err
	}
	return e.LookImage(ctx, i.Image)
}

// predicted is what check mode says of an effect that makes the image.
func (i *anImage) predicted(env *effect.Env, found bool, how string) effect.Prediction {
	plan(env, images, i.Engine, i.Image, present)
	kind := effect.Create
	if found {
		kind = effect.Update
	}
	return prediction(i.Image, kind, i.diff(how))
}

// renamed is an image that gets a name. Undo gives that back to the image that had it.
type renamed struct{ anImage }

// wasImage is what an intent keeps of an image.
type wasImage struct {
	ID string `json:"id,omitempty"` // of what had the name; "" for nothing
}

// Remember keeps which image has the name.
func (i *renamed) Remember(ctx context.Context, env *effect.Env) (any, error) {
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	was, _, err := e.LookImage(ctx, i.Image)
	return wasImage{was.ID}, err
}

func (i *renamed) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var was wasImage
	if err := past.Remembered(&was); err != nil {
		return err
	}
	e, err := i.open(ctx, env)
	if err != nil {
		return err
	}
	if was.ID == "" {
		_, err = e.RemoveImage(ctx, i.Image, false)
		return err
	}
	now, found, err := e.LookImage(ctx, i.Image)
	if err != nil || found && now.ID == was.ID || strings.Contains(i.Image, "@") {
		return err
	}
	if err := e.TagImage(ctx, was.ID, i.Image); fault.Is(err, fault.NotFound) {
		return fault.New(fault.Failed, "the image that was %q before is gone", i.Image)
	} else if err != nil {
		return err
	}
	return nil
}

// progress shows what an engine says while it works.
func progress(env *effect.Env) func(line string) {
	if env.Output == nil {
		return nil
	}
	return func(line string) { env.Output("stdout", line) }
}
