// bench-go-tdx-guest QUOTE DIR TIME ROUNDS: the same quote and files as bench_real, verified by
// go-tdx-guest, which gets them as answers of Intel's service. Prints "cold_us=N", the median.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log"
	"net/url"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-tdx-guest/verify"
)

type answer struct {
	header map[string][]string
	body   []byte
}

// service has the files in memory, by what its addresses contain.
type service map[string]answer

func (s service) Get(address string) (map[string][]string, []byte, error) {
	for part, a := range s {
		if strings.Contains(address, part) {
			return a.header, a.body, nil
		}
	}
	return nil, nil, fmt.Errorf("there is no %s", address)
}

func read(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	return b
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: QUOTE DIR TIME ROUNDS")
	}
	file := func(name string) []byte { return read(os.Args[2] + "/" + name) }
	piece := func(name, header, chain string) answer {
		return answer{map[string][]string{header: {url.QueryEscape(string(file(chain)))}}, file(name)}
	}
	intel := service{
		"/tcb?":        piece("tcb_info.json", "Tcb-Info-Issuer-Chain", "tcb_signing_chain.pem"),
		"/qe/identity": piece("qe_identity.json", "Sgx-Enclave-Identity-Issuer-Chain", "tcb_signing_chain.pem"),
		"/pckcrl?":     piece("pck_crl.der", "Sgx-Pck-Crl-Issuer-Chain", "pck_crl_issuer_chain.pem"),
		"RootCA.der":   {nil, file("root_ca_crl.der")},
	}
	// 0.3.1 compares the FMSPC as text in lower case, and Intel writes letters in upper: it is said
	// once more, beside the signed object, and the later one counts there.
	tcbInfo := intel["/tcb?"]
	fmspc := regexp.MustCompile(`"fmspc":"(\w+)"`).FindSubmatch(tcbInfo.body)
	if fmspc == nil {
		log.Fatal("there is no FMSPC in the TCB info")
	}
	end := bytes.LastIndexByte(tcbInfo.body, '}')
	tcbInfo.body = fmt.Appendf(tcbInfo.body[:end:end], `,"TcbInfo":{"fmspc":%q}}`, bytes.ToLower(fmspc[1]))
	intel["/tcb?"] = tcbInfo
	roots := x509.NewCertPool() // Intel's: its own copy would be told of each time
	if chain := file("pck_crl_issuer_chain.pem"); !roots.AppendCertsFromPEM(chain[bytes.LastIndex(chain, []byte("-----BEGIN")):]) {
		log.Fatal("there is no root in the chain")
	}
	quote, err := hex.DecodeString(strings.TrimSpace(string(read(os.Args[1]))))
	if err != nil {
		log.Fatal(err)
	}
	now, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		log.Fatal(err)
	}
	rounds, err := strconv.Atoi(os.Args[4])
	if err != nil || rounds < 1 {
		log.Fatal("ROUNDS is no positive number")
	}
	took := make([]float64, rounds)
	for i := range took {
		start := time.Now()
		options := &verify.Options{CheckRevocations: true, GetCollateral: true, Getter: intel, TrustedRoots: roots, Now: time.Unix(now, 0)}
		if err := verify.RawTdxQuote(quote, options); err != nil {
			log.Fatal(err)
		}
		took[i] = float64(time.Since(start).Nanoseconds()) / 1e3
	}
	sort.Float64s(took)
	fmt.Printf("cold_us=%.1f\n", took[rounds/2])
}
