// Evaluates Rego with OPA in process, and says what each evaluation costs.
//
// It reads one case a line from standard input and writes one answer a line. A case has modules, a query, and inputs:
//
//	{"id": "a", "modules": ["package p\n…"], "v1": false, "query": "data.p.violation", "inputs": [{"review": {}}]}
//	{"id": "a", "answers": [{"result": [], "nanos": 41000, "parsedNanos": 30000}]}
//
// `nanos` starts at a decoded JSON document, as a program has it after reading a request; `parsedNanos` starts at OPA's
// own form of it. Both are CPU time of the whole process, the collector included.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

type testCase struct {
	ID      string         `json:"id"`
	Modules []string       `json:"modules"`
	V1      bool           `json:"v1"`
	Query   string         `json:"query"`
	Data    map[string]any `json:"data"`
	Inputs  []any          `json:"inputs"`
}

type one struct {
	Result      any     `json:"result"`
	Error       string  `json:"error,omitempty"`
	Nanos       float64 `json:"nanos,omitempty"`
	ParsedNanos float64 `json:"parsedNanos,omitempty"`
}

type answer struct {
	ID      string `json:"id"`
	Error   string `json:"error,omitempty"`
	Answers []one  `json:"answers"`
}

// CPU time of the process.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// The best of three rounds that fill the budget together.
func measure(budget time.Duration, step func()) float64 {
	best := 0.0
	for round := range 3 {
		for count := 1; ; count *= 2 {
			start, begun := spent(), time.Now()
			for range count {
				step()
			}
			if took := spent() - start; time.Since(begun) >= budget/3 {
				nanos := float64(took.Nanoseconds()) / float64(count)
				if round == 0 || nanos < best {
					best = nanos
				}
				break
			}
		}
	}
	return best
}

func run(given testCase, budget time.Duration) answer {
	out := answer{ID: given.ID}
	ctx := context.Background()
	version := ast.RegoV0
	if given.V1 {
		version = ast.RegoV1
	}
	options := []func(*rego.Rego){rego.Query(given.Query), rego.SetRegoVersion(version)}
	for i, module := range given.Modules {
		options = append(options, rego.Module(fmt.Sprintf("m%d.rego", i), module))
	}
	if given.Data != nil {
		options = append(options, rego.Store(inmem.NewFromObject(given.Data)))
	}
	query, err := rego.New(options...).PrepareForEval(ctx)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	for _, input := range given.Inputs {
		var line one
		results, err := query.Eval(ctx, rego.EvalInput(input))
		switch {
		case err != nil:
			line.Error = err.Error()
		case len(results) > 0 && len(results[0].Expressions) > 0:
			line.Result = results[0].Expressions[0].Value
		}
		if budget > 0 && err == nil {
			parsed, err := ast.InterfaceToValue(input)
			if err != nil {
				line.Error = err.Error()
			} else {
				line.Nanos = measure(budget/2, func() { query.Eval(ctx, rego.EvalInput(input)) })
				line.ParsedNanos = measure(budget/2, func() { query.Eval(ctx, rego.EvalParsedInput(parsed)) })
			}
		}
		out.Answers = append(out.Answers, line)
	}
	return out
}

func main() {
	budget := flag.Duration("budget", 60*time.Millisecond, "how long each input is measured; 0 evaluates it once")
	flag.Parse()
	decoder := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	decoder.UseNumber()
	writer := bufio.NewWriter(os.Stdout)
	defer writer.Flush()
	encoder := json.NewEncoder(writer)
	for decoder.More() {
		var given testCase
		if err := decoder.Decode(&given); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := encoder.Encode(run(given, *budget)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
