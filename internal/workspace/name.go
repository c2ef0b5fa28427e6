package workspace

// maxName is how long names of workspaces, infrastructures, servers and
// extensions may be.
const maxName = 63

// ValidName reports whether name is one of a workspace, an infrastructure, a
// server or an extension: a lower case letter, and after it up to 62 lower case
// letters, digits, - and _.
func ValidName(name string) bool {
	if name == "" || len(name) > maxName || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
