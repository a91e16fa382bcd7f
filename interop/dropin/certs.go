package main

import (
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/spacemonkeygo/openssl"
)

func certificates(s *section) {
	key := must(openssl.GenerateECKey(openssl.Prime256v1))
	info := openssl.CertificateInfo{Serial: big.NewInt(0xabcdef), Issued: 0, Expires: 24 * time.Hour, Country: "US", Organization: "Test", CommonName: "root.example"}
	root, err := openssl.NewCertificate(&info, key)
	s.line("new", err)
	if err != nil {
		return
	}
	name := must(root.GetSubjectName())
	for _, nid := range []openssl.NID{openssl.NID_countryName, openssl.NID_organizationName, openssl.NID_commonName, openssl.NID_localityName} {
		entry, ok := name.GetEntry(nid)
		s.line("subject "+must(openssl.Nid2ShortName(nid)), entry, ok)
	}
	s.line("serial", root.GetSerialNumberHex())
	s.line("version", int(root.GetVersion()))
	s.line("set version", root.SetVersion(openssl.X509_V3), int(root.GetVersion()))
	s.try("add extensions", func() []any {
		return []any{root.AddExtension(openssl.NID_basic_constraints, "critical,CA:TRUE"), root.AddExtension(openssl.NID_key_usage, "critical,keyCertSign,cRLSign"),
			root.AddExtension(openssl.NID_subject_key_identifier, "hash"), root.AddExtensions(map[openssl.NID]string{openssl.NID_netscape_comment: "a comment"})}
	})
	s.try("add wrong extension", func() []any { return []any{root.AddExtension(openssl.NID_basic_constraints, "nonsense")} })
	s.try("sign with SHA-1", func() []any { return []any{root.Sign(key, openssl.EVP_SHA1)} })
	s.try("sign", func() []any { return []any{root.Sign(key, openssl.EVP_SHA256)} })
	parsed := parse(s, "the root", root)
	s.line("root as parsed", parsed.Subject.CommonName, parsed.Issuer.CommonName, parsed.IsCA, parsed.Version, int(parsed.KeyUsage), len(parsed.SubjectKeyId),
		parsed.CheckSignatureFrom(parsed))
	lasts := parsed.NotAfter.Sub(parsed.NotBefore)
	s.line("lasts", lasts)

	leafKey := must(openssl.GenerateRSAKeyWithExponent(2048, 65537))
	leaf := must(openssl.NewCertificate(&openssl.CertificateInfo{Serial: big.NewInt(2), Issued: -time.Hour, Expires: time.Hour, Country: "DE",
		Organization: "Test", CommonName: "leaf.example"}, leafKey))
	s.try("leaf", func() []any {
		return []any{leaf.SetVersion(openssl.X509_V3), leaf.SetIssuer(root), leaf.AddExtension(openssl.NID_subject_alt_name, "DNS:leaf.example,IP:127.0.0.1"),
			leaf.AddExtension(openssl.NID_ext_key_usage, "serverAuth,clientAuth"), leaf.Sign(key, openssl.EVP_SHA384)}
	})
	parsed2 := parse(s, "the leaf", leaf)
	s.line("leaf as parsed", parsed2.Subject.CommonName, parsed2.Issuer.CommonName, parsed2.DNSNames, parsed2.IPAddresses, len(parsed2.ExtKeyUsage),
		parsed2.CheckSignatureFrom(parsed))
	s.try("leaf, identifiers of subject and issuer", func() []any {
		other := must(openssl.NewCertificate(&info, leafKey))
		check(other.SetVersion(openssl.X509_V3))
		check(other.SetIssuer(root))
		err := other.AddExtension(openssl.NID_subject_key_identifier, "hash")
		err2 := other.AddExtension(openssl.NID_authority_key_identifier, "keyid:always")
		err3 := other.Sign(key, openssl.EVP_SHA256)
		x := parse(s, "identified", other)
		return []any{err, err2, err3, string(x.AuthorityKeyId) == string(parsed.SubjectKeyId), string(x.SubjectKeyId) == string(parsed.SubjectKeyId)}
	})

	s.try("public key", func() []any {
		public, err := leaf.PublicKey()
		if err != nil {
			return []any{err}
		}
		return []any{int(public.KeyType()), string(must(public.MarshalPKIXPublicKeyDER())) == string(must(leafKey.MarshalPKIXPublicKeyDER()))}
	})
	s.try("issuer's name", func() []any {
		n, err := leaf.GetIssuerName()
		entry, ok := n.GetEntry(openssl.NID_commonName)
		return []any{err, entry, ok}
	})
	s.try("serial of zero", func() []any { return []any{leaf.SetSerial(big.NewInt(0)), leaf.GetSerialNumberHex()} })
	s.try("long serial", func() []any {
		return []any{leaf.SetSerial(new(big.Int).Lsh(big.NewInt(1), 120)), leaf.GetSerialNumberHex()}
	})
	s.try("dates", func() []any { return []any{leaf.SetIssueDate(time.Hour), leaf.SetExpireDate(2 * time.Hour)} })
	s.try("key of another", func() []any { return []any{leaf.SetPubKey(key)} })
	s.try("country of three letters", func() []any {
		wrong := info
		wrong.Country = "USA"
		_, err := openssl.NewCertificate(&wrong, key)
		return []any{err}
	})
	s.try("no country", func() []any {
		wrong := info
		wrong.Country = ""
		_, err := openssl.NewCertificate(&wrong, key)
		return []any{err}
	})

	s.try("name", func() []any {
		n := must(openssl.NewName())
		err := n.AddTextEntry("CN", "one")
		err2 := n.AddTextEntries(map[string]string{"OU": "unit"})
		err3 := n.AddTextEntry("nonsense", "x")
		entry, ok := n.GetEntry(openssl.NID_organizationalUnitName)
		return []any{err, err2, err3, entry, ok, leaf.SetSubjectName(n), leaf.SetIssuerName(n)}
	})
	s.try("name that NewName did not make", func() []any {
		n := &openssl.Name{}
		entry, ok := n.GetEntry(openssl.NID_commonName)
		return []any{kind(n.AddTextEntry("CN", "one")), kind(leaf.SetSubjectName(n)), entry, ok}
	})
	s.try("name in UTF-8", func() []any {
		n := must(openssl.NewName())
		check(n.AddTextEntry("CN", "Zürich"))
		entry, ok := n.GetEntry(openssl.NID_commonName)
		return []any{entry == "Zürich", ok}
	})

	p := pki()
	s.try("load nothing", func() []any { _, err := openssl.LoadCertificateFromPEM(nil); return []any{err} })
	s.try("load noise", func() []any { _, err := openssl.LoadCertificateFromPEM([]byte("noise")); return []any{err} })
	s.try("load a key", func() []any { _, err := openssl.LoadCertificateFromPEM(p.server.keyPEM); return []any{err} })
	s.try("load and marshal", func() []any {
		text, err := loadCert(p.server).MarshalPEM()
		return []any{string(text) == string(p.server.certPEM), err}
	})
	both := append(append([]byte("text\n"), p.server.certPEM...), p.ca.certPEM...)
	s.try("load the first of two", func() []any {
		cert, err := openssl.LoadCertificateFromPEM(both)
		return []any{commonName(cert), err}
	})
	s.try("split", func() []any {
		blocks := openssl.SplitPEM(both)
		return []any{len(blocks), string(blocks[0])+"\n" == string(p.server.certPEM), string(blocks[1])+"\n" == string(p.ca.certPEM)}
	})
	s.try("split with CRLF", func() []any {
		return []any{len(openssl.SplitPEM([]byte(strings.ReplaceAll(string(both), "\n", "\r\n"))))}
	})
	s.try("split nothing", func() []any {
		return []any{len(openssl.SplitPEM(nil)), len(openssl.SplitPEM([]byte("-----BEGIN X-----\nhalf")))}
	})
}

// parse prints what the standard library says of cert.
func parse(s *section, what string, cert *openssl.Certificate) *x509.Certificate {
	text, err := cert.MarshalPEM()
	check(err)
	block, _ := pem.Decode(text)
	x, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		s.line("parse "+what, err)
		return &x509.Certificate{}
	}
	return x
}

func commonName(cert *openssl.Certificate) string {
	if cert == nil {
		return "none"
	}
	entry, _ := must(cert.GetSubjectName()).GetEntry(openssl.NID_commonName)
	runtime.KeepAlive(cert) // the original's Name does not
	return entry
}

func hostnames(s *section) {
	cert := loadCert(pki().server)
	for _, host := range []string{"localhost", "LOCALHOST", "localhost.", "other.example", "a.wild.example", "a.b.wild.example", "wild.example", "127.0.0.1", "server", ""} {
		s.try("CheckHost "+host, func() []any { return []any{cert.CheckHost(host, 0)} })
	}
	s.try("CheckHost, no wildcards", func() []any {
		return []any{cert.CheckHost("a.wild.example", openssl.NoWildcards), cert.CheckHost("localhost", openssl.NoWildcards)}
	})
	s.try("CheckHost, subject always", func() []any { return []any{cert.CheckHost("server", openssl.AlwaysCheckSubject)} })
	s.try("CheckHost with NUL", func() []any { return []any{kind(cert.CheckHost("localhost\x00.evil", 0))} })
	for _, host := range []string{"localhost", "127.0.0.1", "127.0.0.2", "::1", "[::1]", "[127.0.0.1]", "::2", "other.example"} {
		s.try("VerifyHostname "+host, func() []any { return []any{cert.VerifyHostname(host)} })
	}
	for _, mail := range []string{"root@mail.example", "root@MAIL.example", "Root@mail.example", "other@mail.example", ""} {
		s.try("CheckEmail "+mail, func() []any { return []any{cert.CheckEmail(mail, 0)} })
	}
	for _, ip := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 1).To4(), net.IPv4(10, 0, 0, 1), net.IPv6loopback} {
		s.try("CheckIP "+ip.String()+" of "+string(rune('0'+len(ip)/4))+" words", func() []any { return []any{cert.CheckIP(ip, 0)} })
	}
	s.try("CheckIP of none", func() []any { return []any{kind(cert.CheckIP(nil, 0))} })
	s.try("CheckIP of three bytes", func() []any { return []any{kind(cert.CheckIP(net.IP{1, 2, 3}, 0))} })
	// Without names of hosts the subject's common name counts.
	s.try("by common name", func() []any {
		client := loadCert(pki().client)
		return []any{client.CheckHost("client", 0), client.VerifyHostname("client"), client.VerifyHostname("other")}
	})
}

func stores(s *section) {
	p := pki()
	store, err := openssl.NewCertificateStore()
	s.line("new", err)
	s.try("add", func() []any { return []any{store.AddCertificate(loadCert(p.ca))} })
	s.try("add again", func() []any { return []any{store.AddCertificate(loadCert(p.ca))} })
	s.try("load two", func() []any {
		return []any{store.LoadCertificatesFromPEM(append(append([]byte{}, p.otherCA.certPEM...), p.middle.certPEM...))}
	})
	s.try("load nothing", func() []any { return []any{store.LoadCertificatesFromPEM(nil)} })
	s.try("load a key", func() []any { return []any{kind(store.LoadCertificatesFromPEM(p.server.keyPEM))} })
	s.try("a context's store", func() []any {
		ctx := must(openssl.NewCtx())
		return []any{ctx.GetCertificateStore() != nil, ctx.GetCertificateStore().AddCertificate(loadCert(p.ca))}
	})
}
