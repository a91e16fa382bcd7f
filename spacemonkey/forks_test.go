package openssl_test

import (
	"context"
	"net"
	"time"

	openssl "github.com/golibssl/openssl/spacemonkey"
)

// What programs use of forks whose source the module proxy does not have; that it compiles is the test. Of 10gen's additions the variable Version
// is not here: libp2p and others have a type of that name.

// github.com/mendersoftware/openssl
var (
	_ func(e *openssl.Engine, id string) (openssl.PrivateKey, error) = openssl.EngineLoadPrivateKey
	_ func() (string, error)                                         = openssl.GetDefaultCertificateDirectory
)

var (
	_ func(addr string, tcpConn net.Conn, ctx *openssl.Ctx, flags openssl.DialFlags) (*openssl.Conn, error) = openssl.DialUpgrade
	_ func() int                                                                                            = openssl.GetSecurityLevelGlobal
	_ func(*openssl.Ctx) error                                                                              = (*openssl.Ctx).SetDefaultVerifyPaths
	_ func(*openssl.SSL) int                                                                                = (*openssl.SSL).GetSecurityLevel
	_ func(*openssl.SSL, int)                                                                               = (*openssl.SSL).SetSecurityLevel
)

const _ = openssl.DefaultRSAExponent

var _ = []openssl.VerifyResult{
	openssl.CertificateAuthorityKeyTooSmall, openssl.CertificateAuthorityMessageDigestTooWeak,
	openssl.DomanNameAuthenticationNamedEntitiesNoMatch, openssl.EmailMismatch, openssl.EndEntityKeyTooSmall,
	openssl.ExcludedViolation, openssl.HostnameMismatch, openssl.InvalidCall, openssl.IpAddressMismatch,
	openssl.NoValidSignedCertificateTimestamps, openssl.PathLoopError, openssl.PermittedViolation,
	openssl.ProxySubjectNameViolation, openssl.RevocationListDifferentScope, openssl.RevocationListPathValidationError,
	openssl.StoreLookupError, openssl.SubTreMinMax, openssl.SuiteBCannotSignP384WithP256, openssl.SuiteBInvalidAlgorithm,
	openssl.SuiteBInvalidCurve, openssl.SuiteBInvalidSignatureAlgorithm, openssl.SuiteBInvalidVersion,
	openssl.SuiteBLosNotAllowed, openssl.SuiteBUnspecifiedError, openssl.UnsupportedConstraintSyntax,
	openssl.UnsupportedConstraintType, openssl.UnsupportedExtensionFeature, openssl.UnsupportedNameSyntax,
}

// github.com/libp2p/go-openssl, github.com/tarantool/go-openssl
var (
	_ func(oid, shortName, longName string) openssl.NID                 = openssl.CreateObjectIdentifier
	_ func(c *openssl.Certificate, nid openssl.NID, value []byte) error = (*openssl.Certificate).AddCustomExtension
	_ func(c *openssl.Certificate, nid openssl.NID) []byte              = (*openssl.Certificate).GetExtensionValue
	_ func(c *openssl.Certificate, digest *openssl.Digest) []byte       = (*openssl.Certificate).Hash
	_ func(result openssl.VerifyResult) string                          = openssl.VerifyCertErrorString
	_ func(a openssl.PublicKey, b openssl.PublicKey) bool               = openssl.PublicKey.Equal
	_ func(k openssl.PublicKey) int                                     = openssl.PublicKey.Size
)

var (
	_ func(network, addr string, timeout time.Duration, ctx *openssl.Ctx, flags openssl.DialFlags) (*openssl.Conn, error)  = openssl.DialTimeout
	_ func(ctx context.Context, network, addr string, sslCtx *openssl.Ctx, flags openssl.DialFlags) (*openssl.Conn, error) = openssl.DialContext
	_ func(*openssl.Ctx, openssl.Version) bool                                                                             = (*openssl.Ctx).SetMinProtoVersion
	_ func(*openssl.Ctx, openssl.Version) bool                                                                             = (*openssl.Ctx).SetMaxProtoVersion
	_ func(*openssl.Ctx, []string) error                                                                                   = (*openssl.Ctx).SetNextProtos
	_ func(*openssl.SSL) string                                                                                            = (*openssl.SSL).GetVersion
)

var _ = []openssl.Version{
	openssl.SSL3_VERSION, openssl.TLS1_VERSION, openssl.TLS1_1_VERSION, openssl.TLS1_2_VERSION, openssl.TLS1_3_VERSION,
	openssl.DTLS1_VERSION, openssl.DTLS1_2_VERSION,
}

// github.com/10gen/openssl
var (
	_ func(dialer *net.Dialer, network, addr string, ctx *openssl.Ctx, flags openssl.DialFlags) (*openssl.Conn, error) = openssl.DialWithDialer
	_ func(ca_file string) (*openssl.StackOfX509Name, error)                                                           = openssl.LoadClientCAFile
	_ func(*openssl.Conn) error                                                                                        = (*openssl.Conn).GetVerifyResults
	_ func(*openssl.Ctx) error                                                                                         = (*openssl.Ctx).CheckPrivateKey
	_ func(*openssl.Ctx, *openssl.StackOfX509Name)                                                                     = (*openssl.Ctx).SetClientCAList
	_ func(*openssl.Ctx) error                                                                                         = (*openssl.Ctx).SetupSystemCA
	_ func(*openssl.Ctx, string) error                                                                                 = (*openssl.Ctx).UseCertificateChainFile
	_ func(*openssl.Ctx, string, openssl.Filetypes) error                                                              = (*openssl.Ctx).UsePrivateKeyFile
	_ func(*openssl.Ctx, string, openssl.Filetypes, string) error                                                      = (*openssl.Ctx).UsePrivateKeyFileWithPassword
	_ func() bool                                                                                                      = openssl.FIPSMode
	_ func() bool                                                                                                      = openssl.FIPSModeDefined
	_ func() bool                                                                                                      = openssl.HasECDH
	_ func(*openssl.Certificate) ([]byte, error)                                                                       = (*openssl.Certificate).X509NamePrintEx
	_ func() openssl.X509LookupMethod                                                                                  = openssl.X509LookupFile
	_ func() openssl.X509LookupMethod                                                                                  = openssl.X509LookupHashDir
	_ func(*openssl.CertificateStore, openssl.X509LookupMethod) (*openssl.CertificateStoreLookup, error)               = (*openssl.CertificateStore).AddLookup
	_ func(*openssl.CertificateStore, openssl.X509VerificationFlag) error                                              = (*openssl.CertificateStore).SetFlags
	_ func(*openssl.CertificateStoreLookup, string) error                                                              = (*openssl.CertificateStoreLookup).LoadCRLFile
	_ uint32                                                                                                           = openssl.VersionNumber
)

const _ string = openssl.BuildVersion

var (
	_ = []openssl.Filetypes{openssl.FiletypePEM, openssl.FiletypeASN1}
	_ = []openssl.Options{openssl.NoTLSv1_1, openssl.NoTLSv1_2, openssl.OpAll}
	_ = openssl.AutoRetry
)

var _ = []openssl.X509VerificationFlag{
	openssl.AllowProxyCerts, openssl.CBIssuerCheck, openssl.CRLCheck, openssl.CRLCheckAll, openssl.ExplicitPolicy,
	openssl.IgnoreCritical, openssl.InhibitAny, openssl.InhibitMap, openssl.NotifyPolicy, openssl.PolicyCheck,
	openssl.PolicyMask, openssl.UseCheckTime, openssl.X509Strict,
}
