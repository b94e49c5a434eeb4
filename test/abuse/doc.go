// Package abuse holds tests that treat a node as badly as a network can, run with the build tag abuse: memory stays bounded, nothing is kept, and everybody else is served.
package abuse
