// Runs the health rules of deploy/gitops/argocd as Argo CD runs them: in gopher-lua, with the object as the table obj, without any
// library that reaches out of it. What is expected of each fixture is in health_test.yaml, in the form of Argo CD's own tests.
package argocd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

const deploy = "../../deploy/gitops/argocd"

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type expectations struct {
	Tests []struct {
		HealthStatus health `json:"healthStatus"`
		InputPath    string `json:"inputPath"`
	} `json:"tests"`
}

func kinds(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(deploy, "resource_customizations", "*", "*"))
	if err != nil || len(folders) != 2 {
		t.Fatalf("expected a folder for each of the two kinds, got %v, %v", folders, err)
	}
	return folders
}

func TestEachStateHasTheHealthThatPeopleExpect(t *testing.T) {
	for _, folder := range kinds(t) {
		var expected expectations
		read(t, filepath.Join(folder, "health_test.yaml"), &expected)
		fixtures, err := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
		if err != nil || len(fixtures) != len(expected.Tests) {
			t.Errorf("%s: %d fixtures, and something is expected of %d", folder, len(fixtures), len(expected.Tests))
		}
		rule := script(t, folder)
		for _, test := range expected.Tests {
			t.Run(filepath.Base(folder)+"/"+test.InputPath, func(t *testing.T) {
				var object map[string]any
				read(t, filepath.Join(folder, test.InputPath), &object)
				got, err := judge(rule, object)
				if err != nil {
					t.Fatal(err)
				}
				if got != test.HealthStatus {
					t.Errorf("got %+v, expected %+v", got, test.HealthStatus)
				}
			})
		}
	}
}

func TestTheConfigMapHasTheSameRules(t *testing.T) {
	var configMap struct {
		Data map[string]string `json:"data"`
	}
	read(t, filepath.Join(deploy, "argocd-cm.yaml"), &configMap)
	for _, folder := range kinds(t) {
		group, kind := filepath.Base(filepath.Dir(folder)), filepath.Base(folder)
		if configMap.Data[fmt.Sprintf("resource.customizations.health.%s_%s", group, kind)] != script(t, folder) {
			t.Errorf("argocd-cm.yaml: the rule of %s is not that of %s", kind, folder)
		}
	}
}

func script(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "health.lua"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// judge gives what the script says of the object.
func judge(script string, object map[string]any) (health, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
	} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return health{}, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return health{}, fmt.Errorf("the script gives %s", state.Get(-1).Type())
	}
	return health{
		Status:  lua.LVAsString(table.RawGetString("status")),
		Message: lua.LVAsString(table.RawGetString("message")),
	}, nil
}

// value gives what JSON decodes to as Lua has it; a null is no field at all.
func value(state *lua.LState, decoded any) lua.LValue {
	switch decoded := decoded.(type) {
	case map[string]any:
		table := state.NewTable()
		for name, field := range decoded {
			table.RawSetString(name, value(state, field))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range decoded {
			table.Append(value(state, item))
		}
		return table
	case string:
		return lua.LString(decoded)
	case float64:
		return lua.LNumber(decoded)
	case bool:
		return lua.LBool(decoded)
	default:
		return lua.LNil
	}
}
