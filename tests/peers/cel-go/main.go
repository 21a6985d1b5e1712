// Evaluates expressions with cel-go and the libraries of Kubernetes, and says what each costs.
//
// It reads one case a line from standard input and writes one answer a line:
//
//	{"id": "a", "expression": "object.x > 1", "bindings": {"object": {"x": 2}}}
//	{"id": "a", "nanos": 812.5, "result": true}
//
// The environment is that of admission policies, every variable dynamic. Without more, costs are not tracked: the peer at
// its best. With -limits they are, as an API server has it: a budget for each evaluation, and looks at whether it is to
// end. Times are CPU time of the whole process, the collector included.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"syscall"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apiserver/pkg/cel/library"
)

type testCase struct {
	ID         string         `json:"id"`
	Expression string         `json:"expression"`
	Bindings   map[string]any `json:"bindings"`
}

type answer struct {
	ID     string  `json:"id"`
	Nanos  float64 `json:"nanos,omitempty"`
	Result any     `json:"result"`
	Error  string  `json:"error,omitempty"`
	Stage  string  `json:"stage,omitempty"`
}

func environment() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(2)),
		ext.Sets(),
		ext.TwoVarComprehensions(),
		ext.Lists(ext.ListsVersion(3)),
		ext.Math(),
		ext.Encoders(),
		library.URLs(),
		library.Regex(),
		library.Lists(),
		library.Quantity(),
		library.IP(),
		library.CIDR(),
		library.Format(),
		library.SemverLib(library.SemverVersion(1)),
	}
	for _, name := range []string{"object", "oldObject", "request", "namespaceObject", "params", "variables", "images", "exceptions"} {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	return cel.NewEnv(options...)
}

// CPU time of the process.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Numbers without a fraction are integers, as in objects of Kubernetes.
func whole(value any) any {
	switch value := value.(type) {
	case json.Number:
		if number, err := value.Int64(); err == nil {
			return number
		}
		number, _ := value.Float64()
		return number
	case []any:
		for i := range value {
			value[i] = whole(value[i])
		}
	case map[string]any:
		for key := range value {
			value[key] = whole(value[key])
		}
	}
	return value
}

// What an API server compiles programs with: k8s.io/apiserver/pkg/cel/environment and pkg/apis/cel.
func limits() []cel.ProgramOption {
	return []cel.ProgramOption{
		cel.EvalOptions(cel.OptOptimize, cel.OptTrackCost),
		cel.CostLimit(1_000_000),
		cel.CostTracking(&library.CostEstimator{}),
		cel.InterruptCheckFrequency(100),
	}
}

func run(env *cel.Env, one testCase, limited bool, budget time.Duration) answer {
	out := answer{ID: one.ID}
	fail := func(stage string, err error) answer {
		out.Stage, out.Error = stage, err.Error()
		return out
	}
	ast, issues := env.Compile(one.Expression)
	if issues.Err() != nil {
		return fail("compile", issues.Err())
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if limited {
		options = limits()
	}
	program, err := env.Program(ast, options...)
	if err != nil {
		return fail("compile", err)
	}
	for name := range one.Bindings {
		one.Bindings[name] = whole(one.Bindings[name])
	}
	evaluate := func() (ref.Val, *cel.EvalDetails, error) { return program.Eval(one.Bindings) }
	if limited {
		ctx := context.Background()
		evaluate = func() (ref.Val, *cel.EvalDetails, error) { return program.ContextEval(ctx, one.Bindings) }
	}
	value, _, err := evaluate()
	if err != nil {
		return fail("evaluate", err)
	}
	if native, err := value.ConvertToNative(reflect.TypeFor[*structpb.Value]()); err == nil {
		out.Result = native.(*structpb.Value).AsInterface()
	} else {
		out.Result = fmt.Sprint(value.Value())
	}
	if budget == 0 {
		return out
	}
	best := 0.0
	for round := range 3 {
		count := 1
		for {
			start, begun := spent(), time.Now()
			for range count {
				evaluate()
			}
			if took := spent() - start; time.Since(begun) >= budget/3 {
				nanos := float64(took.Nanoseconds()) / float64(count)
				if round == 0 || nanos < best {
					best = nanos
				}
				break
			}
			count *= 2
		}
	}
	out.Nanos = best
	return out
}

func main() {
	budget := flag.Duration("budget", 30*time.Millisecond, "how long each case is measured; 0 evaluates it once")
	limited := flag.Bool("limits", false, "evaluate within a budget, as an API server does")
	flag.Parse()
	env, err := environment()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	decoder := json.NewDecoder(lines)
	decoder.UseNumber()
	writer := bufio.NewWriter(os.Stdout)
	defer writer.Flush()
	encoder := json.NewEncoder(writer)
	for decoder.More() {
		var one testCase
		if err := decoder.Decode(&one); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := encoder.Encode(run(env, one, *limited, *budget)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
