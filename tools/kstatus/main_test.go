package main

import (
	"strings"
	"testing"
)

const (
	fresh = `{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a", "generation": 1},
		"status": {"observedGeneration": -1}}`
	stalled = `{"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "b", "namespace": "n"},
		"status": {"conditions": [{"type": "Stalled", "status": "True", "reason": "Why", "message": "Do this."}]}}`
	judgedFresh = `{"kind":"Thing","name":"a","status":"InProgress",` +
		`"message":"Thing generation is 1, but latest observed generation is -1"}` + "\n"
	judgedStalled = `{"kind":"Thing","namespace":"n","name":"b","status":"Failed","message":"Do this."}` + "\n"
)

func TestObjectsAndListsAreJudgedInOrder(t *testing.T) {
	list := `{"apiVersion": "v1", "kind": "List", "items": [` + fresh + "," + stalled + "]}"
	var judged strings.Builder
	if err := judgeAll(strings.NewReader(stalled+"\n"+list), &judged); err != nil {
		t.Fatal(err)
	}
	if wanted := judgedStalled + judgedFresh + judgedStalled; judged.String() != wanted {
		t.Errorf("judged %s, wanted %s", judged.String(), wanted)
	}
}

func TestWhatIsNoObjectIsAnError(t *testing.T) {
	for _, text := range []string{"{", "[]", `{"kind": "Thing"`, `{"metadata": {"name": "a"}}`} {
		var judged strings.Builder
		if err := judgeAll(strings.NewReader(text), &judged); err == nil {
			t.Errorf("%s: judged %s", text, judged.String())
		}
	}
}
