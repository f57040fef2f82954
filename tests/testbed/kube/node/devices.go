package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	devices "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// simulatedEnv tells a container which devices it was given. They don't exist: a program that finds this variable must
// not claim to have used an accelerator.
const simulatedEnv = "EAI_TESTBED_SIMULATED_DEVICES"

// plugin offers the simulated devices of one resource. The kubelet finds it by its socket in the plugin registry
// folder, also after a restart of the kubelet, so there is nothing to register again.
type plugin struct {
	devices.UnimplementedDevicePluginServer
	registration.UnimplementedRegistrationServer
	resource string
	ids      []string
	done     <-chan struct{}
}

// serveDevices serves one socket for each NAME=COUNT in specs, until ctx ends or a server fails.
func serveDevices(ctx context.Context, dir string, specs []string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	failed := make(chan error, len(specs))
	for _, spec := range specs {
		p, err := parse(spec)
		if err != nil {
			return err
		}
		p.done = ctx.Done()
		go func() { failed <- p.serve(ctx, dir) }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

func parse(spec string) (*plugin, error) {
	name, count, found := strings.Cut(spec, "=")
	n, err := strconv.Atoi(count)
	if !found || err != nil || n < 0 || n > 1024 || !strings.Contains(name, "/") {
		return nil, fmt.Errorf("%q is not DOMAIN/RESOURCE=COUNT with a COUNT of 0 to 1024", spec)
	}
	p := &plugin{resource: name}
	_, short, _ := strings.Cut(name, "/")
	for i := range n {
		p.ids = append(p.ids, fmt.Sprintf("simulated-%s-%d", short, i))
	}
	return p, nil
}

func (p *plugin) serve(ctx context.Context, dir string) error {
	socket := filepath.Join(dir, "eai-"+strings.ReplaceAll(p.resource, "/", "-")+".sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, p)
	devices.RegisterDevicePluginServer(server, p)
	context.AfterFunc(ctx, server.Stop)
	return server.Serve(listener)
}

func (p *plugin) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.DevicePlugin,
		Name:              p.resource,
		SupportedVersions: []string{devices.Version},
	}, nil
}

func (p *plugin) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		fmt.Fprintf(os.Stderr, "node: the kubelet refused %s: %s\n", p.resource, status.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func (p *plugin) GetDevicePluginOptions(context.Context, *devices.Empty) (*devices.DevicePluginOptions, error) {
	return &devices.DevicePluginOptions{}, nil
}

// ListAndWatch says once that every device is healthy, and holds the stream open: its end would mark them unhealthy.
func (p *plugin) ListAndWatch(_ *devices.Empty, stream grpc.ServerStreamingServer[devices.ListAndWatchResponse]) error {
	list := &devices.ListAndWatchResponse{}
	for _, id := range p.ids {
		list.Devices = append(list.Devices, &devices.Device{ID: id, Health: devices.Healthy})
	}
	if err := stream.Send(list); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-stream.Context().Done():
	}
	return nil
}

// Allocate names the devices in an environment variable; there is no file of a device to hand in.
func (p *plugin) Allocate(_ context.Context, request *devices.AllocateRequest) (*devices.AllocateResponse, error) {
	response := &devices.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		response.ContainerResponses = append(response.ContainerResponses, &devices.ContainerAllocateResponse{
			Envs: map[string]string{simulatedEnv: strings.Join(container.DevicesIds, ",")},
		})
	}
	return response, nil
}
