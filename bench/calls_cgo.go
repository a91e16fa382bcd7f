package main

// static void nothing(void) {}
import "C"

func emptyCall() { C.nothing() }
