package reference

import (
	"embed"
	"sync"
)

//go:embed language.star
var languageFS embed.FS

// Language documents the functions that are part of the language, and struct.
var Language = sync.OnceValue(func() Library {
	libs, err := Libraries(languageFS)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return libs[0]
})
