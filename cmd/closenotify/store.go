package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/golibssl/openssl"
	"github.com/golibssl/openssl/cmd/closenotify/internal/demo"
	"github.com/golibssl/openssl/sessionstore/redis"
)

const storeTimeout = 5 * time.Second

type sharedStore struct {
	*redis.Store
	client *goredis.Client
}

// openStore opens what --store names. The sealing key and the keys' prefix are of this run alone.
func openStore(ctx context.Context, url string) (*sharedStore, error) {
	options, err := goredis.ParseURL(url)
	if err != nil {
		return nil, usagef("--store is not the URL of a Redis, such as redis://localhost:6379/0: %v", err)
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = storeTimeout, storeTimeout, storeTimeout
	secret := make([]byte, 32)
	rand.Read(secret)
	sealer, err := openssl.NewSealer(openssl.SealKey{ID: "demo", Secret: secret})
	if err != nil {
		return nil, err
	}
	goredis.SetLogger(silent{}) // an error is said once
	client := goredis.NewClient(options)
	store, err := redis.New(redis.Options{
		Client:           client,
		Sealer:           sealer,
		SessionIDContext: []byte(demo.SessionIDContext),
		Prefix:           "closenotify:" + rand.Text() + ":",
	})
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		if err = client.Ping(ctx).Err(); err != nil {
			err = fmt.Errorf("no Redis at %s: %w", options.Addr, err)
		}
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return &sharedStore{store, client}, nil
}

func (s *sharedStore) Close() error { return s.client.Close() }

func (s *sharedStore) summary() string {
	n := s.Stats()
	return fmt.Sprintf("The store at %s: %d sessions put, %d found, %d not found, %d removed because of their end.",
		s.client.Options().Addr, n.Puts, n.Hits, n.Misses, n.Removes)
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
