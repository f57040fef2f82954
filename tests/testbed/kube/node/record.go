package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// interval is how often the recorder asks. A container that is made and removed within one interval is missed.
const interval = 200 * time.Millisecond

// recorder keeps the last known times of every container, also of those that the kubelet has removed since.
type recorder struct {
	runtime cri.RuntimeServiceClient
	path    string
	runs    map[string]containerRun
}

// record writes FILE, a JSON object of container runs by id, whenever something changed, until ctx ends.
func record(ctx context.Context, socket, path string) error {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	r := &recorder{runtime: cri.NewRuntimeServiceClient(connection), path: path, runs: map[string]containerRun{}}
	if err := r.load(); err != nil {
		return err
	}
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		if err := r.update(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "node: recording:", err) // containerd is restarting, say: the next tick tries again
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// load takes up what an earlier recorder has written.
func (r *recorder) load() error {
	text, err := os.ReadFile(r.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &r.runs)
}

func (r *recorder) update(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	list, err := r.runtime.ListContainers(ctx, &cri.ListContainersRequest{})
	if err != nil {
		return err
	}
	changed := false
	for _, container := range list.Containers {
		if known, ok := r.runs[container.Id]; ok && known.State == container.State.String() {
			continue
		}
		answer, err := r.runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: container.Id})
		if err != nil {
			continue // removed since it was listed, or asked again at the next tick
		}
		r.runs[container.Id] = toRun(container.Labels, answer.Status)
		changed = true
	}
	if !changed {
		return nil
	}
	return r.save()
}

// save replaces the file at once, so that a reader never sees half of it.
func (r *recorder) save() error {
	text, err := json.Marshal(r.runs)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(r.path+".new", r.path)
}
