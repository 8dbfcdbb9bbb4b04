package nomadtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"allocstore/store"
)

// An authority signs certificates for nodes on the loopback address.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a.key = key
	text := a.sign(&x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, key)
	a.cert, err = x509.ParseCertificate(text)
	require.NoError(t, err)
	a.write("ca.pem", "CERTIFICATE", text)
	return a
}

func (a *authority) sign(c, parent *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent = c
	}
	text, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	require.NoError(a.t, err)
	return text
}

func (a *authority) write(name, kind string, text []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: text}), 0o600))
	return path
}

// node returns the flags of a node whose certificate is of a, and which trusts the authority in another file.
func (a *authority) node(ca string) []string {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	cert := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, key)
	text, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	return []string{"--tls-cert", a.write("cert.pem", "CERTIFICATE", cert), "--tls-key", a.write("key.pem", "EC PRIVATE KEY", text), "--tls-ca", ca}
}

// TestClusterTLS has three nodes with certificates of one authority. A node with one of another authority, which trusts the
// first one, is refused, and so are clients without a certificate.
func TestClusterTLS(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	ca := filepath.Join(ours.dir, "ca.pem")
	flags := ours.node(ca)
	all := three(t, flags...)
	b := new(store.Batch)
	b.Upsert(allocation(1, 1))
	status, text := post(all[2], b)
	require.Equal(t, http.StatusOK, status, text)
	for _, p := range all {
		served(t, p, 1, 1, nil)
	}

	wrong := newProcess(t, t.TempDir(), "d", append(theirs.node(ca), "--join", all[1].url)...)
	wrong.start()
	until(t, "refusal", func() bool { return strings.Contains(wrong.said.String(), "d cannot be reached at") })
	require.Contains(t, wrong.said.String(), "tls: ")
	require.Equal(t, 3, voters(all[0]))
	require.Zero(t, wrong.end())

	cert, err := tls.LoadX509KeyPair(filepath.Join(theirs.dir, "cert.pem"), filepath.Join(theirs.dir, "key.pem"))
	require.NoError(t, err)
	trusted, err := os.ReadFile(ca)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(trusted))
	good, err := tls.LoadX509KeyPair(flags[1], flags[3])
	require.NoError(t, err)
	raftPort := all[0].args[2]
	require.NoError(t, sends(t, raftPort, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{good}}))
	require.Error(t, sends(t, raftPort, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}), "another authority's")
	require.Error(t, sends(t, raftPort, &tls.Config{RootCAs: pool}), "no certificate")
	require.Error(t, sends(t, raftPort, nil), "no TLS")
}

// sends asks a node for its status by the protocol of the raft port, and returns why there is no answer.
func sends(t *testing.T, address string, c *tls.Config) error {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	if c != nil {
		c.ServerName = "127.0.0.1"
		conn = tls.Client(conn, c)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte("f\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01s")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}
