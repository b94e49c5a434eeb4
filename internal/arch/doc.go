// Package arch has nothing but tests: the rules of the tree, each with its reason.
package arch
