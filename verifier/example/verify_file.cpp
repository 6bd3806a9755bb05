// verify_file QUOTE COLLATERAL SECONDS -- a quote judged in C++, with no struct of the library's.
//
//     c++ verify_file.cpp $(pkg-config --cflags --libs tdxverify)
//
// COLLATERAL is what `tdx-quote collateral fetch QUOTE` prints; SECONDS the time since 1970 to judge by.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include "tdxverify.h"

static std::string slurp(const char *path)
{
	std::ifstream in(path, std::ios::binary);

	if (!in) {
		std::cerr << path << ": cannot be read\n";
		std::exit(2);
	}
	return std::string(std::istreambuf_iterator<char>(in), {});
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		std::cerr << "usage: verify_file QUOTE COLLATERAL SECONDS\n";
		return 2;
	}
	const std::string quote = slurp(argv[1]), collateral = slurp(argv[2]);
	const std::unique_ptr<char, decltype(&tdxv_text_free)> verdict(
	    tdxv_judge(reinterpret_cast<const uint8_t *>(quote.data()), quote.size(),
		       collateral.c_str(), nullptr, nullptr, std::strtoll(argv[3], nullptr, 10)),
	    tdxv_text_free);

	if (!verdict)
		return 2;
	const std::string text = verdict.get();
	std::cout << text << "\n";
	if (text.rfind("{\"error\"", 0) == 0)
		return 2;
	return text.find("\"accepted\":true") != std::string::npos ? 0 : 1;
}
