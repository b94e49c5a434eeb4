// Command main passes some places.
package main

import "github.com/lunette-io/lunette/internal/failpoint"

func main() {
	for _, name := range []string{"a", "b", "a", "b"} {
		failpoint.Here(name)
		print(name)
	}
}
