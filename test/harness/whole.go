package harness

import (
	"fmt"
	"os"
)

// Whole reports whether the environment asks for tests of the whole program: with E2E=1 those that need what is not
// there are skipped, with E2E=required they fail. Without it a package's TestMain should return at once, so that go
// test ./... takes minutes and needs Go alone. task is the one that runs them.
func Whole(task string) bool {
	if os.Getenv("E2E") != "" {
		return true
	}
	fmt.Printf("left out: `task %s`, or E2E=1, runs these tests of the whole program\n", task)
	return false
}
