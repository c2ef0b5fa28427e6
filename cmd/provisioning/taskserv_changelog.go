package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/release"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// updateDetails are told of the updates of one taskserv that was named.
type updateDetails struct {
	Changelog      []release.Release `json:"changelog"` // all that is newer, the newest first
	Breaking       []string          `json:"breaking_changes"`
	Recommendation string            `json:"recommendation"`
}

// fields are those of a result of a run.
func (d *updateDetails) fields() map[string]any {
	changelog := []any{}
	for _, one := range d.Changelog {
		fields := map[string]any{"version": one.Version}
		for name, text := range map[string]string{"notes": one.Notes, "url": one.URL} {
			if text != "" {
				fields[name] = text
			}
		}
		if !one.Released.IsZero() {
			fields["released_at"] = one.Released.Format(time.RFC3339)
		}
		changelog = append(changelog, fields)
	}
	return map[string]any{"changelog": changelog, "breaking_changes": d.Breaking, "recommendation": d.Recommendation}
}

// detail adds what has changed since the versions of the records.
func (l *updates) detail(recipes []*recipe.Recipe, records []*updateRecord) {
	for _, u := range records {
		i := slices.IndexFunc(recipes, func(r *recipe.Recipe) bool { return r.Name == u.Taskserv })
		if u.Error != "" || i < 0 {
			continue
		}
		d := &updateDetails{Changelog: []release.Release{}, Breaking: []string{}}
		for _, one := range l.releases(recipes[i]) {
			if release.Level(recipe.Upstream(u.Current), one.Version) == "" {
				continue
			}
			d.Changelog = append(d.Changelog, one)
			for _, line := range release.Breaking(one.Notes) {
				d.Breaking = append(d.Breaking, one.Version+": "+line)
			}
		}
		u.updateDetails = d
		d.Recommendation = u.recommended(recipes[i], l.of.security)
	}
}

// releases are those of a recipe that were announced. Who says which of them mend a hole
// does not say what else they have changed: that is looked up, if it can be.
func (l *updates) releases(r *recipe.Recipe) []release.Release {
	found := l.answers[r.Name].Releases
	if !l.of.security || asksServers(r) {
		return found
	}
	all, err := l.app.announced(r, announcement{})
	if err != nil {
		return found // without notes it is a changelog, too
	}
	mends := l.answers[r.Name].Versions()
	told := slices.DeleteFunc(all.Releases, func(one release.Release) bool { return !slices.Contains(mends, one.Version) })
	if len(told) < len(found) {
		return found
	}
	return told
}

// recommended is what to do about an update.
func (u *updateRecord) recommended(r *recipe.Recipe, mends bool) string {
	update := fmt.Sprintf("provisioning taskserv update %s --version %s --servers …", u.Taskserv, u.Latest)
	if u.Server != "" {
		update = fmt.Sprintf("provisioning taskserv update %s --version %s --servers %s", u.Taskserv, u.Latest, u.Server)
	}
	migration := fmt.Sprintf("provisioning taskserv check-migration %s --from %s --to %s", u.Taskserv, recipe.Upstream(u.Current), u.Latest)
	switch risk := r.RiskOf(u.Level); {
	case u.Latest == "" || u.Current == "":
		return "find out which versions there are: nobody says it"
	case !u.Available:
		return "stay: there is nothing newer"
	case mends:
		return "update soon, as it mends a hole: " + update
	case risk == "high":
		return "try it on other servers before, and read what it asks for: " + migration
	case len(u.Breaking) > 0:
		return "read what breaks, and look at the plan: " + update + " --check"
	case risk == "medium":
		return "look at the plan: " + update + " --check"
	default:
		return "update: " + update
	}
}

// notesShown is how many lines of the notes of a release people are shown.
const notesShown = 12

// showDetails shows those of each version that servers have, once.
func (a *app) showDetails(records []*updateRecord) {
	shown := map[string]bool{}
	for _, u := range records {
		if u.updateDetails == nil || shown[u.Current] {
			continue
		}
		shown[u.Current] = true
		for _, one := range u.Changelog {
			a.showRelease(one)
		}
		if len(u.Breaking) > 0 {
			a.console.Print("\nbreaking changes:")
		}
		for _, line := range u.Breaking {
			a.console.Print("  %s", line)
		}
		a.console.Print("\nrecommendation: %s", u.Recommendation)
	}
}

func (a *app) showRelease(one release.Release) {
	title := one.Version
	if !one.Released.IsZero() {
		title += ", " + one.Released.Format(time.DateOnly)
	}
	if one.URL != "" {
		title += ", " + one.URL
	}
	a.console.Print("\n%s", title)
	if one.Notes == "" {
		a.console.Print("  its makers do not say here what has changed")
		return
	}
	lines := strings.Split(one.Notes, "\n")
	for i, line := range lines {
		if i == notesShown {
			a.console.Print("  … %s more", count(len(lines)-i, "line"))
			return
		}
		a.console.Print("  %s", strings.TrimRight(line, "\r"))
	}
}
