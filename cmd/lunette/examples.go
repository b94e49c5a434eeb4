package main

import "github.com/alecthomas/kong"

func addExamples(*kong.Node) {}
