// SPDX-License-Identifier: MIT
// The keys of tags pass through the monitor and stay nowhere: every block of memory is looked at when it is freed.
#include "peer.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <span>

namespace {

constexpr std::uint8_t kKeyByte = 0xa7;
bool looks = false;
unsigned freed_with_key = 0;

void free_block(void* block) noexcept {
    if (looks && block != nullptr) {
        const std::span bytes(static_cast<const std::uint8_t*>(block), ::malloc_usable_size(block));
        const auto run = std::search_n(bytes.begin(), bytes.end(), xk::wire::kMacKeySize, kKeyByte);
        freed_with_key += run == bytes.end() ? 0u : 1u;
    }
    std::free(block);
}

} // namespace

void* operator new(std::size_t size) {
    if (void* const block = std::malloc(std::max<std::size_t>(size, 1)))
        return block;
    throw std::bad_alloc();
}
void operator delete(void* block) noexcept { free_block(block); }
void operator delete(void* block, std::size_t) noexcept { free_block(block); }

using namespace xk;
using namespace xk::test;
using namespace xk::privsep;

namespace {

// Counts the blocks with a key that are freed while it lives.
struct Looking {
    Looking() {
        freed_with_key = 0;
        looks = true;
    }
    ~Looking() { looks = false; }
    Looking(const Looking&) = delete;
    Looking& operator=(const Looking&) = delete;
};

std::unique_ptr<Tags> tags_of(const std::vector<std::uint32_t>& places) {
    auto message = std::make_unique<Tags>();
    message->generation = 1;
    message->scope = static_cast<std::uint32_t>(TagScope::all);
    message->first = message->last = 1;
    for (const std::uint32_t place : places) {
        message->tags[message->count].mac_key.fill(kKeyByte);
        message->tags[message->count].tag[0] = static_cast<std::uint8_t>(message->count);
        message->tags[message->count++].place = place;
    }
    return message;
}

} // namespace

TEST_CASE("a block that is freed with a key in it is seen") {
    auto* const tags = tags_of({0}).release();
    const Looking looking;
    delete tags;
    CHECK(freed_with_key == 1);
}

TEST_CASE("tags are wiped however their publication ends") {
    const std::vector<std::uint32_t> good = {0, 1, 2, 0, 1, 2, 0, 1, 2};
    std::vector<std::uint32_t> of_nobody = good;
    of_nobody.back() = 77;
    for (const auto& places : {good, of_nobody})
        for (const bool fails : {false, true}) {
            const Devices devices(3);
            Peer peer;
            peer.load(devices.config, 3);
            peer.tags.fails = fails;
            peer.send_message(*tags_of(places));
            const Looking looking;
            CHECK(peer.goes_on() == (places == good && !fails));
            CHECK(freed_with_key == 0);
            CHECK(peer.tags.written == (places == good && !fails ? good.size() : 0));
        }
}
