package main

type completionCmd struct{}
type completeCmd struct{}
type manCmd struct{}

func (*completionCmd) Run() error { return nil }
func (*completeCmd) Run() error   { return nil }
func (*manCmd) Run() error        { return nil }
