// Package kubernetes tests the manifest with the types of Kubernetes itself.
package kubernetes

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// manifest is what worker.yaml holds.
type manifest struct {
	namespace corev1.Namespace
	config    corev1.ConfigMap
	workers   appsv1.Deployment
	budget    policyv1.PodDisruptionBudget
}

// read decodes the manifest: a field that Kubernetes does not know, or that is there
// twice, is an error.
func read(t *testing.T) *manifest {
	data, err := os.ReadFile("worker.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	kinds := map[string]any{
		"v1 Namespace": &m.namespace, "v1 ConfigMap": &m.config, "apps/v1 Deployment": &m.workers, "policy/v1 PodDisruptionBudget": &m.budget,
	}
	parts := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
	for {
		part := make([]byte, len(data))
		n, err := parts.Read(part)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var head metav1.TypeMeta
		if err := strict.Unmarshal(part[:n], &head); err != nil {
			t.Fatal(err)
		}
		kind := head.APIVersion + " " + head.Kind
		into, ok := kinds[kind]
		if !ok {
			t.Fatalf("there is a %s, or there are two", kind)
		}
		if err := strict.UnmarshalStrict(part[:n], into); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		delete(kinds, kind)
	}
	for kind := range kinds {
		t.Errorf("there is no %s", kind)
	}
	return &m
}

// drain is how long a worker lets effects end: Drain of runtime/temporal.
const drain = time.Minute

func TestWorkers(t *testing.T) {
	m := read(t)
	for name, in := range map[string]string{"the configuration": m.config.Namespace, "the workers": m.workers.Namespace, "the budget": m.budget.Namespace} {
		if in != m.namespace.Name {
			t.Errorf("%s are in the namespace %q", name, in)
		}
	}
	pod := m.workers.Spec.Template
	for name, s := range map[string]*metav1.LabelSelector{"the deployment": m.workers.Spec.Selector, "the budget": m.budget.Spec.Selector} {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s does not select the workers: %v", name, err)
		}
	}
	if grace := pod.Spec.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second <= drain {
		t.Error("workers are killed while they drain")
	}
	if least := m.budget.Spec.MinAvailable.IntValue(); least < 1 || least >= int(*m.workers.Spec.Replicas) {
		t.Errorf("of %d workers %d have to be there", *m.workers.Spec.Replicas, least)
	}
}

// TestVolumes: what is mounted is there, and the key is where the configuration names it.
func TestVolumes(t *testing.T) {
	m := read(t)
	pod := m.workers.Spec.Template.Spec
	used := map[string]bool{}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, mount := range c.VolumeMounts {
			used[mount.Name] = true
			if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name }) {
				t.Errorf("%s mounts %s, which there is not", c.Name, mount.Name)
			}
		}
	}
	for _, v := range pod.Volumes {
		if !used[v.Name] {
			t.Errorf("nobody mounts %s", v.Name)
		}
		if v.ConfigMap != nil && v.ConfigMap.Name != m.config.Name {
			t.Errorf("there is no configuration %s", v.ConfigMap.Name)
		}
	}
	copied := pod.InitContainers[0].Command
	if key := copied[len(copied)-1]; !bytes.Contains([]byte(m.config.Data["provisioning.toml"]), []byte(`key_file = "`+key+`"`)) {
		t.Errorf("the key is copied to %s", key)
	}
}

func TestProbes(t *testing.T) {
	worker := read(t).workers.Spec.Template.Spec.Containers[0]
	for name, p := range map[string]*corev1.Probe{"startup": worker.StartupProbe, "readiness": worker.ReadinessProbe, "liveness": worker.LivenessProbe} {
		want := "/health"
		if name == "liveness" {
			want = "/live" // a server that is away must not kill workers
		}
		if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != want || p.HTTPGet.Port.String() != worker.Ports[0].Name {
			t.Errorf("the %s probe is %v", name, p)
		}
	}
	at := slices.Index(worker.Args, "--health")
	if at < 0 || worker.Args[at+1] != ":8080" || worker.Ports[0].ContainerPort != 8080 {
		t.Errorf("the worker is started with %q", worker.Args)
	}
}
