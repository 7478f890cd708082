// Maps a file, cuts it, and sums the bytes it reads. With cgo, so that it is linked with the C library.
package main

import "C"

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	file, err := os.OpenFile(os.Args[1], os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	info, _ := file.Stat()
	bytes, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	if err := file.Truncate(4096); err != nil {
		panic(err)
	}
	sum := 0
	for _, b := range bytes {
		sum += int(b)
	}
	fmt.Println(sum)
}
