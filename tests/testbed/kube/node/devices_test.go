package main

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	devices "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func TestParseRefusesWhatIsNotAResourceAndACount(t *testing.T) {
	for _, spec := range []string{"", "gpu=1", "nvidia.com/gpu", "nvidia.com/gpu=", "nvidia.com/gpu=-1", "nvidia.com/gpu=9999"} {
		if _, err := parse(spec); err == nil {
			t.Errorf("%q was accepted", spec)
		}
	}
	p, err := parse("nvidia.com/gpu=2")
	if err != nil || p.resource != "nvidia.com/gpu" || len(p.ids) != 2 || p.ids[0] == p.ids[1] {
		t.Fatalf("got %+v, %v", p, err)
	}
}

// The kubelet's side of the conversation, over a real socket that a killed plugin has left behind once.
func TestServesDevicesAsTheKubeletAsks(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "eai-nvidia.com-gpu.sock")
	stale, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	served := make(chan error, 1)
	go func() { served <- serveDevices(ctx, dir, []string{"nvidia.com/gpu=2"}) }()
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()

	wait := grpc.WaitForReady(true)
	info, err := registration.NewRegistrationClient(connection).GetInfo(ctx, &registration.InfoRequest{}, wait)
	if err != nil || info.Type != registration.DevicePlugin || info.Name != "nvidia.com/gpu" {
		t.Fatalf("got %v, %v", info, err)
	}
	client := devices.NewDevicePluginClient(connection)
	stream, err := client.ListAndWatch(ctx, &devices.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := stream.Recv()
	if err != nil || len(list.Devices) != 2 || list.Devices[0].Health != devices.Healthy {
		t.Fatalf("got %v, %v", list, err)
	}
	answer, err := client.Allocate(ctx, &devices.AllocateRequest{ContainerRequests: []*devices.ContainerAllocateRequest{
		{DevicesIds: []string{list.Devices[0].ID, list.Devices[1].ID}},
	}})
	want := list.Devices[0].ID + "," + list.Devices[1].ID
	if err != nil || answer.ContainerResponses[0].Envs[simulatedEnv] != want {
		t.Fatalf("got %v, %v", answer, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}
