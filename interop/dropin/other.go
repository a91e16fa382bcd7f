package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spacemonkeygo/openssl"
	"github.com/spacemonkeygo/openssl/utils"
)

func overHTTP(s *section) {
	p := pki()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	addr := l.Addr().String()
	l.Close()
	server := &http.Server{Addr: addr, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		time.Sleep(500 * time.Millisecond) // for net/http's client to have noticed that the request is written: it keeps the connection then
		w.Header().Set("Proto", r.Proto)
		if r.URL.Path == "/until-the-end" {
			w.Header().Set("Connection", "close")
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Path + " " + strings.ToUpper(string(body))))
	})}
	served := make(chan error, 1)
	go func() { served <- openssl.ServerListenAndServeTLS(server, p.certFile, p.keyFile) }()
	for range 100 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	dialled := 0
	//lint:ignore SA1019 DialTLS is what users of the original have
	transport := &http.Transport{DialTLS: func(network, addr string) (net.Conn, error) {
		dialled++
		return openssl.Dial(network, addr, clientCtx(tls12), 0)
	}}
	client := &http.Client{Transport: transport, Timeout: long}
	for _, path := range []string{"/one", "/two", "/until-the-end", "/after"} {
		s.try("POST "+path, func() []any {
			response, err := client.Post("https://"+addr+path, "text/plain", strings.NewReader("body"))
			if err != nil {
				return []any{err}
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			return []any{response.StatusCode, response.Header.Get("Proto"), string(body), err, dialled}
		})
	}
	transport.CloseIdleConnections()
	s.try("closed", func() []any { return []any{server.Close(), (<-served).Error()} })
	s.try("without files", func() []any {
		err := openssl.ListenAndServeTLS("127.0.0.1:0", p.emptyFile, p.keyFile, nil)
		return []any{strings.Contains(err.Error(), "No PEM certificate found in ")}
	})
}

func miscellany(s *section) {
	s.try("FIPS off", func() []any { return []any{openssl.FIPSModeSet(false)} })
	s.try("no such engine", func() []any { e, err := openssl.EngineById("none such"); return []any{e == nil, err} })
	s.try("engine", func() []any { e, err := openssl.EngineById("dynamic"); return []any{e != nil, err} })

	f := utils.NewFuture()
	go f.Set("value", io.EOF)
	value, err := f.Get()
	s.line("future", value, err)
	var group utils.ErrorGroup
	s.line("no errors", group.Finalize())
	group.Add(nil)
	group.Add(os.ErrNotExist)
	s.line("one error", group.Finalize())
	group.Add(os.ErrExist)
	s.line("two errors", group.Finalize())
}
