// SPDX-License-Identifier: MIT
//
// A client's profile of any content: refused in words that are safe to print, or one that a knock can be made of.
#include "client/profile.h"
#include "directory.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"
#include "protocol/profile/profile_file.h"
#include "protocol/yaml/document.h"

using namespace xk;
using namespace xk::fuzz;
using namespace std::chrono_literals;

namespace {

bool are_lines(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

void check_refusal(const Error& error) {
    FUZZ_CHECK(!error.message.empty() && error.exit == Exit::configuration);
    FUZZ_CHECK(are_lines(error.message) && are_lines(error.hint));
}

void check_factor(const client::Profile& profile) {
    const std::uint32_t size = profile.factor_key->size;
    FUZZ_CHECK(is_totp_digits(profile.digits));
    switch (profile.factor) {
    case FactorKind::none:
        FUZZ_CHECK(size == 0 && profile.is_automatic());
        break;
    case FactorKind::hmac:
        FUZZ_CHECK(size == 32 && profile.is_automatic());
        break;
    case FactorKind::totp:
    case FactorKind::hotp:
        FUZZ_CHECK(size == 0 || (size >= kMinTotpSecret && size <= kMaxTotpSecret));
        FUZZ_CHECK(profile.is_automatic() == (size > 0 || !profile.otp_command.empty()));
        break;
    default:
        xk::fuzz::broken("a factor that no profile can have", __FILE__, __LINE__);
    }
}

void check_accepted(const client::Profile& profile) {
    FUZZ_CHECK(profile.is_for(profile.name));
    for (const std::string& host : profile.hosts)
        FUZZ_CHECK(profile.is_for(host));
    FUZZ_CHECK(profile.port != 0);
    FUZZ_CHECK(!all_zero(profile.keys->gate) && !all_zero(profile.keys->seal) && !all_zero(profile.keys->nonce));
    for (const auto& [name, endpoints] : profile.services)
        for (const Endpoint& endpoint : endpoints)
            FUZZ_CHECK(endpoint.port != 0 && endpoint.protocol != IpProtocol::none);
    FUZZ_CHECK(profile.probe >= 0ms && profile.probe <= 10s);
    FUZZ_CHECK(profile.wait >= 0s && profile.wait <= 1s * UINT32_MAX);
    check_factor(profile);
}

// A profile without a fault is written in such a way that it is read as the same, unless the writer refuses a text.
void check_written(std::string_view text) {
    yaml::Faults faults;
    auto section = yaml::read(text, "fuzz.yaml", faults);
    if (!section)
        return;
    const ProfileFile profile = read_profile_file(*section);
    if (!faults.empty())
        return;
    const auto written = profile_file_text(profile);
    if (!written) {
        FUZZ_CHECK(are_lines(written.error().message));
        return;
    }
    auto second = yaml::read(*written, "again.yaml", faults);
    FUZZ_CHECK(second.has_value());
    const ProfileFile again = read_profile_file(*second);
    FUZZ_CHECK(faults.empty());
    FUZZ_CHECK(profile_file_text(again).value() == *written);
    FUZZ_CHECK(again.name == profile.name && again.hosts == profile.hosts && again.services == profile.services);
    FUZZ_CHECK(*again.key == *profile.key && again.server == profile.server && again.service == profile.service);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Directory directory;
    directory.write("host.yaml", text_of({data, size}));
    const std::string file = directory / "host.yaml";
    const auto profile = client::load_profile(file);
    if (profile)
        check_accepted(*profile);
    else
        check_refusal(profile.error());
    check_written(text_of({data, size}));
    // Found by the file's name, whatever is in it, and then judged the same.
    const auto found = client::find_profile(directory / "", "HOST");
    FUZZ_CHECK(found.has_value() == profile.has_value());
    // Found by a name that only the file's content can give it.
    const auto other = client::find_profile(directory / "", "example.org");
    if (other)
        FUZZ_CHECK(profile && other->is_for("example.org"));
    return 0;
}
