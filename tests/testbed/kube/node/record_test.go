package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// runtimeOf answers with these containers, and counts how often a status is asked for.
type runtimeOf struct {
	cri.RuntimeServiceClient
	containers []*cri.ContainerStatus
	gone       string
	asked      int
}

func (r *runtimeOf) ListContainers(
	context.Context, *cri.ListContainersRequest, ...grpc.CallOption,
) (*cri.ListContainersResponse, error) {
	list := &cri.ListContainersResponse{}
	for _, c := range r.containers {
		labels := map[string]string{"io.kubernetes.pod.name": "pod-of-" + c.Id}
		list.Containers = append(list.Containers, &cri.Container{Id: c.Id, State: c.State, Labels: labels})
	}
	return list, nil
}

func (r *runtimeOf) ContainerStatus(
	_ context.Context, request *cri.ContainerStatusRequest, _ ...grpc.CallOption,
) (*cri.ContainerStatusResponse, error) {
	r.asked++
	for _, c := range r.containers {
		if c.Id == request.ContainerId && c.Id != r.gone {
			return &cri.ContainerStatusResponse{Status: c}, nil
		}
	}
	return nil, status.Error(codes.NotFound, "gone")
}

func recorded(t *testing.T, path string) map[string]containerRun {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	runs := map[string]containerRun{}
	if err := json.Unmarshal(text, &runs); err != nil {
		t.Fatal(err)
	}
	return runs
}

func TestRecorderKeepsRemovedContainersOverItsOwnRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "containers.json")
	a := &cri.ContainerStatus{Id: "a", State: cri.ContainerState_CONTAINER_RUNNING, StartedAt: 10}
	runtime := &runtimeOf{containers: []*cri.ContainerStatus{a}}
	update := func() {
		t.Helper()
		r := &recorder{runtime: runtime, path: path, runs: map[string]containerRun{}}
		if err := r.load(); err != nil {
			t.Fatal(err)
		}
		if err := r.update(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	update()
	update()
	if runtime.asked != 1 {
		t.Errorf("an unchanged container was asked for %d times", runtime.asked)
	}
	a.State, a.FinishedAt = cri.ContainerState_CONTAINER_EXITED, 25
	update()
	runtime.containers = []*cri.ContainerStatus{{Id: "b", State: cri.ContainerState_CONTAINER_RUNNING, StartedAt: 30}}
	update()
	runs := recorded(t, path)
	if runs["a"].FinishedAt != 25 || runs["a"].Pod != "pod-of-a" || runs["b"].StartedAt != 30 {
		t.Fatalf("got %+v", runs)
	}
}

func TestTimesLeaveOutAContainerThatWentAwayMeanwhile(t *testing.T) {
	runtime := &runtimeOf{gone: "a", containers: []*cri.ContainerStatus{{Id: "a"}, {Id: "b", StartedAt: 7}}}
	runs, err := containerRuns(context.Background(), runtime)
	if err != nil || len(runs) != 1 || runs[0].ID != "b" || runs[0].StartedAt != 7 {
		t.Fatalf("got %+v, %v", runs, err)
	}
}
