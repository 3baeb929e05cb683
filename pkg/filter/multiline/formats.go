package multiline

// formats are the rules of the languages' stack traces. A frame may begin an event too: its first
// lines may have gone on before. Node.js prints traces in Java's way.
func formats() map[string][]rule {
	const blank = `^\s*$`
	return map[string][]rule{
		"java": { // head: the exception's words, which may have more lines; drivers put blank ones between
			{"", "head", "Exception|Error|Throwable", `(?:^|[\s:(\[;])(?:[A-Za-z_$][\w$]*\.)+[\w$]*(?:Exception|Error|Throwable)[\w$]*(?::|\s*$)`},
			{"", "head", "Exception|Error", `^(?:Uncaught )?(?:[A-Z][\w$]*)?(?:Exception|Error)(?::|$)`},
			{"", "trace", "\tat |  at ", `^\s+at \S.*\)`},
			{"head trace gap? words?", "trace", "at ", `^\s+(?:eval )?at \S`},
			{"head trace", "trace", "...", `^\s*\.\.\. (?:\d+ (?:more|common frames omitted|lines matching)|suppressed \d+)`},
			{"head trace", "head", ":", `^\s*(?:Caused by|Suppressed|Wrapped by|\[CIRCULAR REFERENCE): ?|^\s*nested exception is:`},
			{"head", "head", "", `^\s+\S`},
			{"trace", "trace", "", `^\s+\S`},
			{"head gap?", "gap?", "", blank},
			{"gap?", "words?", "", `\S`},
		},
		"python": {
			{"", "frames", "Traceback (most recent call last):", `Traceback \(most recent call last\):\s*$`},
			{"", "frames", `File "`, `^\s+File "[^"]*", line \d+`},
			{"frames", "frames", "", `^\s+\S`},
			{"frames", "error", "", `^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?::|: .*)?$`},
			{"error", "error", "", `^(?:\s+\S|\[SQL: |\[parameters: |\(Background on this error at: )`},
			{"error gap?", "gap?", "", blank},
			{"error gap?", "chain", "above exception", `^(?:During handling of the above exception, another exception occurred|The above exception was the direct cause of the following exception):`},
			{"chain", "chain", "", blank},
			{"chain", "frames", "Traceback (most recent call last):", `Traceback \(most recent call last\):\s*$`},
		},
		"go": {
			{"", "panic", "panic: |fatal error: |panic serving |runtime: |SIG|unexpected fault", `(?:^|[\s\]])(?:panic: |fatal error: |http: panic serving )|^(?:runtime: goroutine stack exceeds|unexpected fault address|SIG[A-Z]+: )`},
			{"", "goroutine", "goroutine ", `^goroutine \d+ (?:[a-z]+=\S+ )*\[[^\]]+\]:$`},
			{"panic", "panic", "", `^(?:\t|\[signal |\[originating |runtime: |fatal error: |PC=|panic: .*\[recovered)`},
			{"panic file gap?", "gap?", "", blank},
			{"panic file gap?", "goroutine", "", `^(?:goroutine \d+ (?:[a-z]+=\S+ )*\[[^\]]+\]:|runtime stack:)$`},
			{"goroutine file", "call", "", `^(?:created by \S.*|\S+\(.*\))$`},
			{"goroutine", "file", "", `^\tgoroutine running on other thread`},
			{"call", "file", "", `^\t\S.*:\d+`},
			{"file", "file", "...", `^\.\.\.`},
			{"file gap? registers", "registers", "0x", `^[a-z]\w+\s+0x[0-9a-f]+$`},
			{"file gap? registers", "exit", "exit status", `^exit status \d+$`},
		},
		"dotnet": {
			{"", "trace", "xception|Error", `(?:^|[\s(>\]])(?:[A-Za-z_]\w*[.+])+\w*(?:Exception|Error)(?:` + "`" + `\d+)?(?: \(0x[0-9A-Fa-f]+\))?(?::|\s*$)|^Unhandled [Ee]xception[.:] `},
			{"", "trace", "fail: |crit: ", `^(?:fail|crit): \S.*\[\d+\]$`},
			{"", "trace", " at ", `^\s+at .+(?:\)|:line \d+)\s*$`},
			{"trace gap?", "trace", "", `^(?: {2,}|\t)\S`},
			{"trace gap?", "trace", "--", `^\s*(?:---> |--- End of )`},
			{"trace gap?", "gap?", "", blank},
		},
		"ruby": {
			{"", "head", ":in ", "^\\S.*:\\d+:in [`'][^']*': "},
			{"", "head", "Error)|Exception)", `\((?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception)\)$`},
			{"", "head", "Error - |Exception - ", `\s(?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception) - .*:$`},
			{"", "head", "#<", `#<[A-Z][\w:]*(?:Error|Exception): .*>$`},
			{"", "head", "):", `(?:^|[\s\]])(?:[A-Z]\w*::)*[A-Z]\w* \(.*\):$`},
			{"", "frames", ":in ", "^\\s*(?:from )?\\S+:\\d+:in [`'].*'$"},
			{"", "reversed", "Traceback", `^Traceback \(most recent call last\):$`},
			{"reversed", "reversed", "from ", `^\s+\d+: from `},
			{"reversed frames", "head", ":in ", "^\\S.*:\\d+:in [`'][^']*': "}, // after frames: what caused it
			{"head gap? marked frames", "frames", ":", "^\\s+from \\S.*:\\d+|^\\s*\\S+:\\d+:in [`'].*'$"},
			{"head gap?", "marked", "", `^\s+\d+: |^Did you mean\?`},
			{"marked", "marked", "", `^\s+\d+: |^Did you mean\?|^\s+\S`},
			{"head gap? marked", "gap?", "", blank},
			{"gap?", "code?", "", `\S`},
			{"code?", "marked", "", `^\s*[~^]*\^[~^]*$`},
		},
	}
}
