package multiline

// Patterns that several rules share.
const (
	indented = "^ |^\t"
	months   = "^Jan |^Feb |^Mar |^Apr |^May |^Jun |^Jul |^Aug |^Sep |^Oct |^Nov |^Dec "
	blank    = `^\s*$`
	// entryBegins is how entries of logs begin, and hardly ever the lines of an exception's message.
	entryBegins = `^(?:\[?\d{4}[-/.]\d\d[-/.]\d\d|\[?\d\d[-/:.](?:\d\d|[A-Z][a-z]{2})[-/:.]|[A-Z][a-z]{2} [ \d]?\d[, ` +
		`]|\{"|[DIWEF], \[|[IWEF]\d{4} \d\d:` +
		`|(?:time|ts|level)=|\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING)\b|(?:trce|dbug|info|warn|fail|crit): ` +
		`|\d+\.\d+\.\d+\.\d+ )`
	// javaHead is an exception's class with its package; jsHead one without, as a word of its own.
	javaHead = `(?:^|[\s:(\[;])(?:[A-Za-z_$][\w$]*\.)+[\w$]*(?:Exception|Error|Throwable)[\w$]*(?::|\[|\s*$)`
	jsHead   = `^(?:Uncaught )?(?:[A-Z][\w$]*)?(?:Exception|Error|Throwable)(?: \[[\w.-]+\])?(?::|\s*$)` +
		`|[\s:(\[;>](?:[A-Z][\w$]*)?(?:Exception|Error|Throwable)(?: \[[\w.-]+\])?(?:: |\[)`
	goroutine = `^goroutine \d+ (?:[a-z]+=\S+ )*\[[^\]]+\]:$`
	traceback = `Traceback \(most recent call last\):\s*$`
	// rubyTags is what Rails and its logger put before every line of a request.
	rubyTags  = `^(?:` + rubyEntry + `)?(?:\[[^\]]*\] ?)*\s*`
	rubyEntry = `[DIWEF], \[[^\]]*\] +[A-Z]+ -- [^:]*: `
	rubyFrame = rubyTags + "(?:from )?(?:[\\w.-]+ \\([^)]*\\) )?\\S+:\\d+:in [`'].*'$"
	dartFrame = ` \(.+\)$`
)

// formats are the rules of the languages' stack traces. A frame may begin an event too: its first
// lines may have gone on before. Node.js's traces are in Java's format too, whose way they are
// printed in.
func formats() map[string][]rule {
	return map[string][]rule{
		"java": append(java(), js()...), "js": js(),
		"python": python(), "go": golang(), "dotnet": dotnet(), "ruby": ruby(), "php": php(), "dart": dart(),
		"rust": rust(),
	}
}

func java() []rule {
	const more = `^\s*\.\.\. (?:\d+ (?:more|common frames omitted|lines matching)|suppressed \d+)`
	return []rule{
		{"", "head", "xception|Error|Throwable", javaHead},
		{"", "head", "^Exception in ", `^Exception in thread ".*" \S`},
		{
			"", "nested", "nested exception is:$|nested exception is: $",
			`(?:Exception|Error)\b.*nested exception is:\s*$`,
		},
		{"", "jul?", months, `^[A-Z][a-z]{2} \d{1,2}, \d{4},? \d{1,2}:\d\d:\d\d[\s\x{202f}][AP]M \S+(?: \S+)?$`},
		{"jul?", "level?", ": ", `^\p{Lu}[\p{L} ]*: `},
		{"level?", "head", "Exception|Error|Throwable", javaHead},
		{"level?", "head", "Exception|Error|Throwable", jsHead},
		{"level?", "trace", "at ", `^\s+at \S`},
		{"", "trace", indented, `^\s+at \S.*\)`},
		{"head trace text?", "trace", "...", more},
		{"head trace text?", "head", ":", `^\s*(?:Caused by|Suppressed|Wrapped by|\[CIRCULAR REFERENCE): ?`},
		{"head trace text?", "head", "nested exception is:", `^\s+nested exception is:`},
		{"head trace text?", "nested", "nested exception is:", `^\s*nested exception is:\s*$`},
		{"nested", "head", "", `\S`},
		{"text?", "head", "_", `^\s+(?:\|_|\*_+) `}, // Reactor's checkpoints
	}
}

// js is what Node.js, browsers, Deno and Bun print.
func js() []rule {
	const source = `^(?:\S+\.[cm]?[jt]sx?|node:\S+):\d+$`
	return []rule{
		{"", "head", "xception|Error|Throwable", jsHead},
		{"", "head", "^V8 errors stack trace", `^V8 errors stack trace\s*$`},
		{"", "trace", indented, `^\s+at \S.*\)`},
		{"head trace text?", "trace", "at ", `^\s+(?:eval )?at \S`},
		{"head trace text?", "trace", "@", `^\S*@\S+:\d+:\d+$`},
		{"head", "head", "", `^\s+\S`},
		{"trace", "trace", "", `^\s+\S`},
		{"head text?", "text?", "", ""},
		// The error's properties follow the last frame in braces, and in them perhaps its cause.
		{"head trace text?", "props", "{", `^\s+at .*\{$`},
		{"props", "props", "", `^\s+\S`},
		{"props inner-text?", "inner-text?", "", ""},
		{"inner-text?", "props", "at ", `^\s+at \S`},
		{"props", "closed", "}", `^\}\s*$`},
		{"trace", "trace", " at:", `^(?:Emitted '.*' event .*|Thrown) at:$`},
		// What ends the process comes with the source line, and the version at the end.
		{"", "source?", "^/|^file:|^node:|^internal/|^events.js:|^C:|^D:", source},
		{"source?", "code?", "", `\S`},
		{"code?", "caret?", "^", `^\s*\^+\s*$`},
		{"caret?", "caret?", "", blank},
		{"caret?", "head", "Exception|Error|Throwable", jsHead},
		{"caret?", "props", "{", `^\[?\S.*\{$`},
		{"trace closed gap?", "gap?", "", blank},
		{"trace closed gap?", "over", "Node.js v", `^Node\.js v\d`},
	}
}

func python() []rule {
	return []rule{
		{"", "frames", "Traceback (most recent call last):", traceback},
		{"", "frames", indented, `^\s+File "[^"]*", line \d+`},
		{"frames", "frames", "", `^\s+\S`},
		{"frames", "error", "", `^(?:[^\s.():]+\.)*[^\s.():]+(?::|: .*)?$`},
		{"error", "error", "", `^\s+\S`},
		{
			"error text?", "error", "[SQL: |[parameters: |(Background",
			`^(?:\[SQL: |\[parameters: |\(Background on this error at: )`,
		},
		{"error", "error", ": ", `^(?:DETAIL|HINT|CONTEXT|QUERY|WHERE|LINE \d+): `}, // PostgreSQL's
		{"text?", "error", "type=", `^\s+.*[\[(]type=\w`},                           // pydantic's
		{"error text?", "text?", "", ""},
		{
			"error text? gap?", "chain", "above exception",
			`^(?:During handling of the above exception, another exception occurred|The above exception was the ` +
				`direct cause of the following exception):`,
		},
		{"chain", "chain", "", blank},
		{"chain", "frames", "Traceback (most recent call last):", traceback},
		{
			"", "lead?", "^Exception in thread |^Exception ignored in",
			`^Exception (?:in thread \S.*|ignored in.*):\s*$|^Exception ignored in: `,
		},
		{"lead?", "frames", "Traceback (most recent call last):", traceback},
		{"", "fatal", "^Fatal Python error: ", `^Fatal Python error: `},
		{"fatal", "fatal", "", `^\S`},
		{"fatal frames gap?", "gap?", "", blank},
		{
			"fatal gap?", "frames", "most recent call first",
			`^(?:Current thread|Thread) 0x[0-9a-f]+.*\(most recent call first\):$`,
		},
	}
}

func golang() []rule {
	return []rule{
		{
			"", "panic", "panic|fatal error: |^runtime: |^SIG|^unexpected fault",
			`(?:^|[\s\]])(?:panic: |fatal error: |http: panic serving )|^(?:runtime: goroutine stack ` +
				`exceeds|unexpected fault address|SIG[A-Z]+: )`,
		},
		{"", "goroutine", "^goroutine ", goroutine},
		{
			"panic text?", "panic", "",
			`^(?:\t|\[signal |\[originating |runtime: |fatal error: |PC=|panic: .*\[recovered)`,
		},
		{"panic text?", "text?", "", ""},
		{"file gap?", "gap?", "", blank},
		{"panic text? file gap?", "goroutine", "", goroutine + `|^runtime stack:$`},
		{"goroutine file", "call", "", `^(?:created by \S.*|\S+\(.*\))$`},
		{"goroutine", "file", "", `^\tgoroutine running on other thread`},
		{"call", "file", "", `^\s+\S`},
		{"file", "file", "...", `^\.\.\.`},
		{"file gap? registers", "registers", "0x", `^[a-z]\w+\s+0x[0-9a-f]+$`},
		{"file gap? registers", "exit", "exit status", `^exit status \d+$`},
	}
}

func dotnet() []rule {
	return []rule{
		{
			"", "head", "xception|Error", `(?:^|[\s(>\]])(?:[A-Za-z_]\w*[.+])+\w*(?:Exception|Error)(?:` + "`" +
				`\d+)?(?: \(0x[0-9A-Fa-f]+\))?(?::|\s*$)|^Unhandled [Ee]xception[.:] `,
		},
		{"", "head", "xception", `(?:^|[\s(>\]:])[A-Z]\w*Exception: `},
		{"", "trace", "^fail: |^crit: ", `^(?:fail|crit): \S.*\[\d+\]$`},
		{"", "trace", indented, `^\s+at .+(?:\)|:line \d+)\s*$`},
		{"head text?", "trace", " at ", `^\s+at \S`},
		{"head", "head", "", `^(?: {2,}|\t)\S`},
		{"head text?", "text?", "", ""},
		{"trace gap?", "trace", "", `^(?: {2,}|\t)\S`},
		{"head text? trace gap?", "head", "---> ", `^\s*---> `},
		{"head text? trace gap?", "trace", "--- End of ", `^\s*--- End of `},
		// SQL Server's.
		{"trace", "trace", "^ClientConnectionId:|^Error Number:", `^(?:ClientConnectionId|Error Number):`},
		{"trace gap?", "gap?", "", blank},
	}
}

func ruby() []rule {
	return []rule{
		{"", "head", ":in ", "^\\S.*:\\d+:in [`'][^']*': "},
		{"", "head", "Error)$|Exception)$", `\((?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception)\)$`},
		{"", "head", ":$", `\s(?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception) - .*:$`},
		{"", "head", ">$", `#<[A-Z][\w:]*(?:Error|Exception): .*>$`},
		{"", "head", "):$", `(?:^|[\s\]])(?:[A-Z]\w*::)*[A-Z]\w* \(.*\):$`},
		{"", "head", "Error: |xception: ", `(?:^|[\s\]])(?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception): \S`},
		{"", "head", "Error|xception|::", `(?:^|[\s\]])(?:(?:[A-Z]\w*::)+[A-Z]\w*|[A-Z]\w*(?:Error|Exception)) \(`},
		// Not every class is called an error: Sidekiq::Shutdown.
		{"", "head", "::", `(?:^|[\s\]])(?:[A-Z]\w*::)+[A-Z]\w*: \S`},
		{"", "frames", ":in ", rubyFrame},
		{"", "reversed", "^Traceback", `^Traceback \(most recent call last\):$`},
		{"reversed", "reversed", "from ", `^\s+\d+: from `},
		{"reversed from", "head!", ":in ", "^\\S.*:\\d+:in [`'][^']*': "}, // after frames: what caused it
		{"head space?", "space?", "", rubyTags + "$"},
		{"head text? from frames", "from", "from ", `^\s+from \S.*:\d+`},
		{"head text? space? from frames", "frames", ":in ", rubyFrame},
		{"head text?", "head", "", `^\s+\d+: |^Did you mean\?|^\s*[~^]*\^[~^]*$`},
		{"head text?", "text?", "", ""},
		{"from frames gap?", "gap?", "", rubyTags + "$"},
		{"gap?", "causes", "Cause", rubyTags + `Cause(?:s|d by):`},
		{"causes", "causes", "", rubyTags + "$"},
		{"causes", "head", "", rubyTags + `\S`},
		// Rails begins a trace with an entry that has no text.
		{"", "lead?", "^D, [|^I, [|^W, [|^E, [|^F, [", `^` + rubyEntry + `(?:\[[^\]]*\] ?)*\s*$`},
		{"lead?", "head", " (", rubyTags + `(?:[A-Z]\w*::)*[A-Z]\w* \(`},
	}
}

func php() []rule {
	return []rule{
		{"", "head", "PHP ", `(?:^|[\s\]])PHP [A-Z][\w ]*: `},
		{"", "head", "xception", `xception '[^']+' with message '`},
		{"", "head", "Uncaught ", `(?:^|[:\s])Uncaught [\w\\]+: `},
		{"", "head", "xception|Error", `(?:^|[\s:])[\w\\]*(?:Exception|Error): .* in \S.*:\d+$`},
		{"", "head", "[object] (", `"exception":"\[object\] \(`}, // Monolog's
		{"head text?", "text?", "", ""},
		{
			"head text?", "frames", "tack trace:|[stacktrace]|Call Stack:",
			`^(?:\[[^\]]*\] )?(?:PHP )?(?:Stack trace:|\[stacktrace\]|Call Stack:)\s*$`,
		},
		{"frames", "frames", "", `^(?:\[[^\]]*\] )?(?:#\d+ \S|PHP +\d+\. |\s+\d+\. )`},
		{"frames", "over", "thrown in ", `^\s+thrown in .* on line \d+`},
		{"frames", "over", `"}`, `^"\}`},
		{"frames gap?", "head", "[previous exception]", `^\[previous exception\] `},
		{"frames gap?", "gap?", "", blank},
		{"gap?", "head", "Next ", `^Next [\w\\]+`},
	}
}

func dart() []rule {
	return []rule{
		{"", "unhandled", "nhandled ", `Unhandled [Ee]xception:\s*$`},
		{"", "message", "nhandled ", `Unhandled [Ee]xception: \S`},
		{"", "message", "xception|Error", `^(?:[A-Z]\w*)?(?:Exception|Error)\b`},
		{"", "frames", "^#0 ", `^#0\s+\S.*` + dartFrame},
		{"unhandled", "message", "", ""},
		{"message text?", "text?", "", ""},
		{"message text? frames", "frames", "#", `^#\d+\s+\S.*` + dartFrame},
		{"frames", "frames", "<asynchronous suspension>", `^<asynchronous suspension>$`},
	}
}

func rust() []rule {
	return []rule{
		{"", "panic", "panic", `thread '[^']*'(?: \(\d+\))? panicked at \S+:\d+:\d+:$`},
		{"", "message", "panic", `thread '[^']*'(?: \(\d+\))? panicked at .*[^:]$`},
		{"panic", "message", "", ""},
		{"message", "message", "", `^\s+\S`},
		{"message text?", "text?", "", ""},
		{"message text?", "frames", "stack backtrace:", `^stack backtrace:$`},
		{"frames", "frames", "", `^\s+\S`},
		{"message text? frames", "note", "note: ", `^note: `},
		{
			"note frames message", "over", "thread ",
			`^thread (?:'.*' )?(?:caused non-unwinding panic|panicked while processing panic)`,
		},
		// What main returned, as anyhow and eyre print it.
		{"", "error", "^Error: ", `^Error: `},
		{"error error-text?", "error-text?", "", ""},
		{"error error-text? causes gap?", "causes", ":", `^(?:Caused by|Location):$`},
		{"causes", "causes", "", `^\s+\S`},
		{"causes gap?", "gap?", "", blank},
		{"error error-text? causes gap?", "frames", "tack backtrace:", `^[Ss]tack backtrace:$`},
	}
}
