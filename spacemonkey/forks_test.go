package openssl

import (
	"context"
	"net"
	"time"
)

// What programs use of forks whose source the module proxy does not have; that it compiles is the test. Of 10gen's additions the variable Version
// is not here: libp2p and others have a type of that name.

// github.com/mendersoftware/openssl
var (
	_ func(e *Engine, id string) (PrivateKey, error) = EngineLoadPrivateKey
	_ func() (string, error)                         = GetDefaultCertificateDirectory
)

var (
	_ func(addr string, tcpConn net.Conn, ctx *Ctx, flags DialFlags) (*Conn, error) = DialUpgrade
	_ func() int                                                                    = GetSecurityLevelGlobal
	_ func(*Ctx) error                                                              = (*Ctx).SetDefaultVerifyPaths
	_ func(*SSL) int                                                                = (*SSL).GetSecurityLevel
	_ func(*SSL, int)                                                               = (*SSL).SetSecurityLevel
)

const _ = DefaultRSAExponent

var _ = []VerifyResult{
	CertificateAuthorityKeyTooSmall, CertificateAuthorityMessageDigestTooWeak,
	DomanNameAuthenticationNamedEntitiesNoMatch, EmailMismatch, EndEntityKeyTooSmall,
	ExcludedViolation, HostnameMismatch, InvalidCall, IpAddressMismatch,
	NoValidSignedCertificateTimestamps, PathLoopError, PermittedViolation,
	ProxySubjectNameViolation, RevocationListDifferentScope, RevocationListPathValidationError,
	StoreLookupError, SubTreMinMax, SuiteBCannotSignP384WithP256, SuiteBInvalidAlgorithm,
	SuiteBInvalidCurve, SuiteBInvalidSignatureAlgorithm, SuiteBInvalidVersion,
	SuiteBLosNotAllowed, SuiteBUnspecifiedError, UnsupportedConstraintSyntax,
	UnsupportedConstraintType, UnsupportedExtensionFeature, UnsupportedNameSyntax,
}

// github.com/libp2p/go-openssl, github.com/tarantool/go-openssl
var (
	_ func(oid, shortName, longName string) NID         = CreateObjectIdentifier
	_ func(c *Certificate, nid NID, value []byte) error = (*Certificate).AddCustomExtension
	_ func(c *Certificate, nid NID) []byte              = (*Certificate).GetExtensionValue
	_ func(c *Certificate, digest *Digest) []byte       = (*Certificate).Hash
	_ func(result VerifyResult) string                  = VerifyCertErrorString
	_ func(a PublicKey, b PublicKey) bool               = PublicKey.Equal
	_ func(k PublicKey) int                             = PublicKey.Size
)

var (
	_ func(network, addr string, timeout time.Duration, ctx *Ctx, flags DialFlags) (*Conn, error)  = DialTimeout
	_ func(ctx context.Context, network, addr string, sslCtx *Ctx, flags DialFlags) (*Conn, error) = DialContext
	_ func(*Ctx, Version) bool                                                                     = (*Ctx).SetMinProtoVersion
	_ func(*Ctx, Version) bool                                                                     = (*Ctx).SetMaxProtoVersion
	_ func(*Ctx, []string) error                                                                   = (*Ctx).SetNextProtos
	_ func(*SSL) string                                                                            = (*SSL).GetVersion
)

var _ = []Version{
	SSL3_VERSION, TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION,
	DTLS1_VERSION, DTLS1_2_VERSION,
}

// github.com/10gen/openssl
var (
	_ func(dialer *net.Dialer, network, addr string, ctx *Ctx, flags DialFlags) (*Conn, error) = DialWithDialer
	_ func(ca_file string) (*StackOfX509Name, error)                                           = LoadClientCAFile
	_ func(*Conn) error                                                                        = (*Conn).GetVerifyResults
	_ func(*Ctx) error                                                                         = (*Ctx).CheckPrivateKey
	_ func(*Ctx, *StackOfX509Name)                                                             = (*Ctx).SetClientCAList
	_ func(*Ctx) error                                                                         = (*Ctx).SetupSystemCA
	_ func(*Ctx, string) error                                                                 = (*Ctx).UseCertificateChainFile
	_ func(*Ctx, string, Filetypes) error                                                      = (*Ctx).UsePrivateKeyFile
	_ func(*Ctx, string, Filetypes, string) error                                              = (*Ctx).UsePrivateKeyFileWithPassword
	_ func() bool                                                                              = FIPSMode
	_ func() bool                                                                              = FIPSModeDefined
	_ func() bool                                                                              = HasECDH
	_ func(*Certificate) ([]byte, error)                                                       = (*Certificate).X509NamePrintEx
	_ func() X509LookupMethod                                                                  = X509LookupFile
	_ func() X509LookupMethod                                                                  = X509LookupHashDir
	_ func(*CertificateStore, X509LookupMethod) (*CertificateStoreLookup, error)               = (*CertificateStore).AddLookup
	_ func(*CertificateStore, X509VerificationFlag) error                                      = (*CertificateStore).SetFlags
	_ func(*CertificateStoreLookup, string) error                                              = (*CertificateStoreLookup).LoadCRLFile
	_ uint32                                                                                   = VersionNumber
)

const _ string = BuildVersion

var (
	_ = []Filetypes{FiletypePEM, FiletypeASN1}
	_ = []Options{NoTLSv1_1, NoTLSv1_2, OpAll}
	_ = AutoRetry
)

var _ = []X509VerificationFlag{
	AllowProxyCerts, CBIssuerCheck, CRLCheck, CRLCheckAll, ExplicitPolicy,
	IgnoreCritical, InhibitAny, InhibitMap, NotifyPolicy, PolicyCheck,
	PolicyMask, UseCheckTime, X509Strict,
}
