// Kstatus reads Kubernetes objects as JSON, one after another or in lists, and prints for each a line of JSON with the
// status that Flux, and every other tool on kstatus, computes from it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// judgement is what kstatus says of one object.
type judgement struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	Message   string `json:"message"`
}

func main() {
	if err := judgeAll(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func judgeAll(from io.Reader, to io.Writer) error {
	objects, judgements := json.NewDecoder(from), json.NewEncoder(to)
	for {
		var document json.RawMessage
		if err := objects.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading: %w", err)
		}
		found, err := runtime.Decode(unstructured.UnstructuredJSONScheme, document)
		if err != nil {
			return fmt.Errorf("reading an object: %w", err)
		}
		if err := judgeEach(found, judgements); err != nil {
			return err
		}
	}
}

func judgeEach(found runtime.Object, judgements *json.Encoder) error {
	if list, ok := found.(*unstructured.UnstructuredList); ok {
		for index := range list.Items {
			if err := judge(&list.Items[index], judgements); err != nil {
				return err
			}
		}
		return nil
	}
	if object, ok := found.(*unstructured.Unstructured); ok {
		return judge(object, judgements)
	}
	return fmt.Errorf("neither an object nor a list: %T", found)
}

func judge(object *unstructured.Unstructured, judgements *json.Encoder) error {
	result, err := status.Compute(object)
	if err != nil {
		return fmt.Errorf("computing the status of %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return judgements.Encode(judgement{
		Kind:      object.GetKind(),
		Namespace: object.GetNamespace(),
		Name:      object.GetName(),
		Status:    result.Status.String(),
		Message:   result.Message,
	})
}
