package scenes

// systemScenes are those of operations on packages, services, accounts and the
// kernel.
var systemScenes = []scene{}
