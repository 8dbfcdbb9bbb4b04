package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tlsFiles are the files of mutual TLS.
type tlsFiles struct{ cert, key, ca string }

// config returns the configuration of both ends of each connection, or nil without files. Every certificate of the
// authority is a node.
func (f *tlsFiles) config() (*tls.Config, error) {
	if *f == (tlsFiles{}) {
		return nil, nil
	}
	if f.cert == "" || f.key == "" || f.ca == "" {
		return nil, usage("give all of --tls-cert, --tls-key and --tls-ca")
	}
	cert, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s, --tls-key %s: %w", f.cert, f.key, err)
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, fmt.Errorf("--tls-ca: %w", err)
	}
	nodes := x509.NewCertPool()
	if !nodes.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--tls-ca %s: no certificate in PEM", f.ca)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, RootCAs: nodes, ClientCAs: nodes,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}, nil
}
