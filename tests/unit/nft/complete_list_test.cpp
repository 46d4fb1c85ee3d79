// SPDX-License-Identifier: MIT
// Lists of a set that came in several pieces, between which the kernel moved its elements.
#include "daemon/nft/element.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace xk;
using namespace xk::nft;

namespace {

// The elements with these keys of one byte.
SetList list_of(const std::string& keys, std::size_t pieces, std::uint16_t generation = 4) {
    SetList list{{}, pieces, generation};
    for (const char key : keys) {
        list.elements.emplace_back();
        list.elements.back().key = {static_cast<std::uint8_t>(key)};
    }
    return list;
}

// What comes of these lists, one after the other; sorted.
struct Listing {
    std::string keys;
    std::size_t lists = 0;
};
Listing list_all(const std::vector<SetList>& lists) {
    Listing listing;
    const auto elements = list_until_complete([&]() -> Result<SetList> {
                              return lists[std::min(listing.lists++, lists.size() - 1)];
                          }).value();
    for (const Element& element : elements)
        listing.keys += static_cast<char>(element.key[0]);
    std::ranges::sort(listing.keys);
    return listing;
}

} // namespace

TEST_CASE("a list in one piece is complete, and one of several pieces when the next brings nothing new") {
    const Listing none = list_all({list_of("", 0)}), one = list_all({list_of("abc", 1)});
    CHECK(none.keys.empty());
    CHECK(none.lists == 1);
    CHECK(one.keys == "abc");
    CHECK(one.lists == 1);
    const Listing two = list_all({list_of("abcdef", 2)});
    CHECK(two.keys == "abcdef");
    CHECK(two.lists == 2);
}

TEST_CASE("an element that one list lacks is found in the next one") {
    // The table was resized after the third element: c is twice there, and e not at all.
    const Listing resized = list_all({list_of("abccdf", 2), list_of("fedcba", 2)});
    CHECK(resized.keys == "abcdef");
    CHECK(resized.lists == 3);
    const Listing freed = list_all({list_of("abcf", 2), list_of("abde", 3), list_of("abcdef", 3)});
    CHECK(freed.keys == "abcdef");
    CHECK(freed.lists == 3);
    // It has shrunk meanwhile, and one piece is complete.
    CHECK(list_all({list_of("abcf", 2), list_of("ab", 1)}).keys == "ab");
}

TEST_CASE("an interval's begin and end with one key are two elements") {
    SetList list = list_of("aa", 2);
    list.elements[1].interval_end = true;
    CHECK(list_all({list}).keys == "aa");
}

TEST_CASE("a list of a later generation says nothing of the one before") {
    const Listing later = list_all({list_of("abc", 2, 4), list_of("bcd", 2, 5)});
    CHECK(later.keys == "bcd");
    CHECK(later.lists == 3);
}

TEST_CASE("a set to which packets add without end is listed a few times, and an error is one at once") {
    std::size_t lists = 0;
    const auto endless = list_until_complete(
        [&]() -> Result<SetList> { return list_of("ab" + std::string(1, static_cast<char>('c' + lists++)), 2); });
    CHECK(endless.value().size() == 2 + kMostLists);
    CHECK(lists == kMostLists);
    lists = 0;
    CHECK_FALSE(list_until_complete([&]() -> Result<SetList> {
        if (++lists == 2)
            return Error{"no", {}};
        return list_of("ab", 2);
    }));
    CHECK(lists == 2);
}
