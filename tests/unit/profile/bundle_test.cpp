// SPDX-License-Identifier: MIT
#include "protocol/profile/bundle.h"

#include "tests/unit/recording/left_behind.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

using namespace xk;

namespace {

constexpr BundleCost kCheap = kLeastBundleCost; // the tests guess often
constexpr std::string_view kText = "name: example\nkey: \"secret\"\n";
constexpr std::string_view kPassphrase = "correct horse battery";
constexpr std::string_view kPrefix = "xknock1:";
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

ByteView bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::string sealed(std::string_view text = kText) {
    return seal_bundle(bytes_of(text), bytes_of(kPassphrase), kCheap).value();
}

std::string opened(std::string_view line, std::string_view passphrase = kPassphrase) {
    if (auto whole = check_bundle(line); !whole)
        return open_bundle(line, bytes_of(passphrase)) ? "opened" : "!" + whole.error().message;
    const auto text = open_bundle(line, bytes_of(passphrase));
    return text ? std::string(text->data(), text->size()) : "!" + text.error().message;
}

// The bundle with other bytes in it, as libsodium encodes them.
std::string with_bytes(const std::string& line, const std::function<void(std::vector<std::uint8_t>&)>& change) {
    std::vector<std::uint8_t> bytes(line.size());
    std::size_t size = 0;
    REQUIRE(sodium_base642bin(bytes.data(), bytes.size(), line.data() + kPrefix.size(), line.size() - kPrefix.size(),
                              nullptr, &size, nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0);
    bytes.resize(size);
    change(bytes);
    std::string text(sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING), '\0');
    sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    text.pop_back();
    return std::string(kPrefix) + text;
}

std::string with_cost(std::uint32_t passes, std::uint32_t memory_kib) {
    return with_bytes(sealed(), [&](auto& bytes) {
        store_be<std::uint32_t>(std::span<std::uint8_t, 4>(bytes.data(), 4), passes);
        store_be<std::uint32_t>(std::span<std::uint8_t, 4>(bytes.data() + 4, 4), memory_kib);
    });
}

const std::string kWrong = "!the passphrase is wrong, or the bundle was changed on its way";
const std::string kDear = "!this bundle is damaged: to open it would cost more than any bundle of knockctl";

} // namespace

TEST_CASE("a bundle is one line that the passphrase opens") {
    const std::string line = sealed();
    CHECK(line.starts_with(kPrefix));
    CHECK(is_bundle(line));
    CHECK(line.substr(kPrefix.size()).find_first_not_of(kDigits) == line.npos);
    CHECK(line.find("secret") == line.npos);
    CHECK(opened(line) == kText);
    CHECK(sealed() != line); // salt and nonce are new each time
}

TEST_CASE("a bundle that an earlier release sealed is opened for ever") {
    CHECK(opened("xknock1:AAAAAQAAAAgAAQIDBAUGBwgJCgsMDQ4PZGVmZ2hpamtsbW5v"
                 "cHFyc3R1dnd4eXp7w2oTM6rzS4j9hQntUwLlXn9yRrPybUEIJyFYfqTU",
                 "a passphrase that never changes") == "name: example\n");
}

TEST_CASE("a bundle costs what RFC 9106 recommends for little memory") {
    const std::string line = seal_bundle(bytes_of(kText), bytes_of(kPassphrase)).value();
    with_bytes(line, [](const auto& bytes) {
        CHECK(load_be<std::uint32_t>(std::span<const std::uint8_t, 4>(bytes.data(), 4)) == 3);
        CHECK(load_be<std::uint32_t>(std::span<const std::uint8_t, 4>(bytes.data() + 4, 4)) == 65536);
    });
    CHECK(opened(line) == kText);
}

TEST_CASE("another passphrase opens nothing") {
    const std::string line = sealed();
    for (const char* other : {"correct horse batter", "correct horse battery ", "Correct horse battery", ""})
        CHECK(opened(line, other) == kWrong);
    CHECK(opened(line, std::string(kMaxBundlePassphrase + 1, 'a')) == kWrong);
}

TEST_CASE("a bundle with one flipped bit is refused") {
    const std::string line = sealed();
    std::size_t size = 0;
    with_bytes(line, [&](const auto& bytes) { size = bytes.size(); });
    REQUIRE(size == 48 + kText.size() + 16);
    std::set<std::string> messages;
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
        const std::string changed =
            with_bytes(line, [&](auto& bytes) { bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8); });
        const std::string answer = opened(changed);
        CHECK_MESSAGE((answer == kWrong || (bit < 64 && answer == kDear)), bit << ": " << answer);
        messages.insert(answer);
    }
    CHECK(messages == std::set{kWrong, kDear});
}

TEST_CASE("a bundle with one flipped bit of its text is refused") {
    const std::string line = sealed();
    for (std::size_t bit = 0; bit < line.size() * 8; ++bit) {
        std::string changed = line;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        CHECK_MESSAGE(opened(changed).starts_with("!"), bit);
    }
}

TEST_CASE("a bundle of which an end is missing, or that has more behind it, is refused") {
    const std::string line = sealed();
    for (std::size_t size = 0; size < line.size(); ++size)
        CHECK_MESSAGE(opened(line.substr(0, size)).starts_with("!"), size);
    for (const char* more : {"A", "AAAA", "=", "\n", " ", "."})
        CHECK_MESSAGE(opened(line + more).starts_with("!"), more);
    CHECK(opened(line + std::string(1, '\0')).starts_with("!"));
    CHECK(opened(" " + line) == "!this is no bundle");
}

TEST_CASE("each text that is no bundle is refused in words of its own") {
    for (const char* text :
         {"", "xknock", "xknock:AAAA", "xknockA:AAAA", "XKNOCK1:AAAA", "xknock1", "key: abc", "xknock123456:AAAA"}) {
        CHECK_MESSAGE(opened(text) == "!this is no bundle", text);
        CHECK_FALSE(is_bundle(text));
    }
    CHECK(opened("xknock2:AAAA") == "!this bundle is of a version that this program does not know");
    CHECK(opened("xknock1:") == "!this bundle is not complete");
    CHECK(opened("xknock1:AAAA") == "!this bundle is not complete");
    CHECK(opened("xknock1:A+/=") == "!this bundle is damaged: it is no base64");
    CHECK(opened("xknock1:\xc1\xc1\xc1\xc1") == "!this bundle is damaged: it is no base64");
    CHECK(opened("xknock1:" + std::string(kMaxBundleLine, 'A')) == "!this bundle is too long");
}

TEST_CASE("a bundle cannot make its reader use much memory or time") {
    for (const BundleCost cost : std::initializer_list<BundleCost>{
             {0, 8}, {1, 0}, {1, 7}, {11, 8}, {1, 256 * 1024 + 1}, {UINT32_MAX, 8}, {1, UINT32_MAX}, {0, 0}})
        CHECK_MESSAGE(opened(with_cost(cost.passes, cost.memory_kib)) == kDear, cost.passes << ", " << cost.memory_kib);
    // Within the limits the cost is part of the key.
    CHECK(opened(with_cost(2, 8)) == kWrong);
    CHECK(opened(with_cost(1, 9)) == kWrong);
    CHECK(opened(with_cost(1, 8)) == kText);
}

TEST_CASE("what does not go into a bundle is refused") {
    const auto message = [](std::string_view text, std::string_view passphrase, const BundleCost& cost = kCheap) {
        const auto line = seal_bundle(bytes_of(text), bytes_of(passphrase), cost);
        return line ? std::string("sealed") : line.error().message;
    };
    CHECK(message("", kPassphrase) == "a profile of 0 bytes does not go into a bundle");
    CHECK(message(std::string(16385, 'a'), kPassphrase) == "a profile of 16385 bytes does not go into a bundle");
    CHECK(message(kText, "eleven char") == "the passphrase has 11 characters");
    CHECK(message(kText, std::string(1025, 'a')) == "the passphrase has 1025 characters");
    CHECK(message(kText, kPassphrase, {.passes = 11, .memory_kib = 8}) != "sealed");
    CHECK(message(kText, kPassphrase, {.passes = 1, .memory_kib = 256 * 1024 + 1}) != "sealed");
    const std::string longest(kMaxBundledProfile, 'a');
    CHECK(message(longest, std::string(kMinBundlePassphrase, 'a')) == "sealed");
    CHECK(opened(sealed(longest)) == longest);
    CHECK(sealed(longest).size() <= kMaxBundleLine);
    CHECK(opened(sealed("a")) == "a");
}

TEST_CASE("neither the profile nor the passphrase of a bundle stays in memory that is free again") {
    const std::string line = sealed();
    std::unique_ptr<Result<Secret<char>>> text;
    for (const std::string_view secret : {kText, kPassphrase}) {
        CHECK_FALSE(test::leaves_behind(bytes_of(secret), [&] {
            text = std::make_unique<Result<Secret<char>>>(open_bundle(line, bytes_of(kPassphrase)));
        }));
        REQUIRE(text->has_value());
        std::string again;
        CHECK_FALSE(test::leaves_behind(bytes_of(secret), [&] { again = sealed(); }));
        REQUIRE_FALSE(again.empty());
    }
}
