package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// containerRun is when one container ran. Times are nanoseconds since 1970 in UTC; 0 means not yet.
type containerRun struct {
	ID         string `json:"id"`
	Namespace  string `json:"namespace"`
	Pod        string `json:"pod"`
	PodUID     string `json:"podUid"`
	Container  string `json:"container"`
	Attempt    uint32 `json:"attempt"`
	State      string `json:"state"`
	ExitCode   int32  `json:"exitCode"`
	Reason     string `json:"reason"`
	CreatedAt  int64  `json:"createdAtNs"`
	StartedAt  int64  `json:"startedAtNs"`
	FinishedAt int64  `json:"finishedAtNs"`
}

// printTimes writes what the runtime knows of every container, pods' sandboxes left out, as a JSON array.
func printTimes(ctx context.Context, socket string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	runs, err := containerRuns(ctx, cri.NewRuntimeServiceClient(connection))
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(runs)
}

func containerRuns(ctx context.Context, runtime cri.RuntimeServiceClient) ([]containerRun, error) {
	list, err := runtime.ListContainers(ctx, &cri.ListContainersRequest{})
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	runs := make([]containerRun, 0, len(list.Containers))
	for _, container := range list.Containers {
		answer, err := runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: container.Id})
		if status.Code(err) == codes.NotFound {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("status of container %s: %w", container.Id, err)
		}
		runs = append(runs, toRun(container.Labels, answer.Status))
	}
	return runs, nil
}

func toRun(labels map[string]string, container *cri.ContainerStatus) containerRun {
	return containerRun{
		ID:         container.Id,
		Namespace:  labels["io.kubernetes.pod.namespace"],
		Pod:        labels["io.kubernetes.pod.name"],
		PodUID:     labels["io.kubernetes.pod.uid"],
		Container:  container.GetMetadata().GetName(),
		Attempt:    container.GetMetadata().GetAttempt(),
		State:      container.State.String(),
		ExitCode:   container.ExitCode,
		Reason:     container.Reason,
		CreatedAt:  container.CreatedAt,
		StartedAt:  container.StartedAt,
		FinishedAt: container.FinishedAt,
	}
}
