package grpccreds_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/grpccreds"
	"github.com/golibssl/openssl/internal/testcert"
)

func Example() {
	id := testcert.Server()
	cert, err := openssl.X509KeyPair(id.ChainPEM, id.KeyPEM)
	if err != nil {
		log.Fatal(err)
	}
	serverCtx, err := openssl.NewCtx(&openssl.Config{Certificates: []*openssl.Certificate{cert}, NextProtos: []string{"h2"}})
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(grpccreds.New(serverCtx)))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	clientCtx, err := openssl.NewCtx(&openssl.Config{RootCAPEM: testcert.Root().PEM, NextProtos: []string{"h2"}})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(grpccreds.New(clientCtx)))
	if err != nil {
		log.Fatal(err)
	}
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Status)

	conn.Close()
	server.GracefulStop()
	fmt.Println(<-served)
	clientCtx.Drain(context.Background())
	serverCtx.Drain(context.Background())
	// Output:
	// SERVING
	// <nil>
}
