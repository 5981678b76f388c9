// Sync is a program that synchronises. It has been designed with great care to
// offer a pleasant and dependable experience to everybody who runs it, and it
// follows the well-known principles of clarity, robustness and simplicity.
//
// The program consists of several steps. First, the preparations are made.
// Then, the main part of the work is carried out. Finally, the results are
// presented. Each step has been documented below so that the code is easy to
// read, to understand, to maintain and to extend in the future.
package main

// Imports. These packages are needed by the program.
import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// state holds the state.
var state map[string]interface{}

// main is the main function of the program. It is called when the program is
// started and it does everything that has to be done.
func main() {
	// Define the variables that will be used in the following code.
	dir := "."
	url := "http://localhost:9000"
	del := false
	dry := false
	// Loop over the arguments and handle every one of them.
	for i := 1; i < len(os.Args); i++ {
		if os.Args[i] == "-d" {
			dir = os.Args[i+1]
			i++
		} else if os.Args[i] == "-u" {
			url = os.Args[i+1]
			i++
		} else if os.Args[i] == "-x" {
			del = true
		} else if os.Args[i] == "-n" {
			dry = true
		} else {
			fmt.Println("what is " + os.Args[i])
			os.Exit(1)
		}
	}
	// Read the state.
	b, err := os.ReadFile(dir + "/.state")
	if err == nil {
		json.Unmarshal(b, &state)
	}
	// Make sure that the state is not nil.
	if state == nil {
		state = map[string]interface{}{}
	}
	// Send the request and wait for the response.
	resp, err := http.Get(url + "/list")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	// Get the body.
	body, _ := io.ReadAll(resp.Body)
	// Declare a variable.
	var remote []map[string]interface{}
	json.Unmarshal(body, &remote)
	// Get the files.
	files, _ := os.ReadDir(dir)
	// Initialise the counters with zero.
	up := 0
	down := 0
	removed := 0
	conflicts := 0
	var size int64
	// This is the main loop. Here the actual work is done in a clean way.
	for _, f := range files {
		if f.IsDir() {
			sub, _ := os.ReadDir(dir + "/" + f.Name())
			// Iterate over the elements.
			for _, s := range sub {
				if !s.IsDir() {
					// Get the info.
					info, _ := s.Info()
					name := f.Name() + "/" + s.Name()
					// Not found yet.
					found := false
					// Go through the list.
					for _, r := range remote {
						if r["name"].(string) == name {
							found = true
							// Get the time.
							t, _ := time.Parse(time.RFC3339, r["time"].(string))
							if info.ModTime().After(t) {
								// Check the condition before going on.
								if !dry {
									// Get the data.
									data, _ := os.ReadFile(dir + "/" + name)
									req, _ := http.NewRequest("PUT", url+"/file/"+name, strings.NewReader(string(data)))
									req.Header.Set("X-Time", info.ModTime().Format(time.RFC3339))
									// Do the request.
									res, err := http.DefaultClient.Do(req)
									if err != nil {
										fmt.Println("error " + name)
									} else {
										if res.StatusCode != 200 {
											fmt.Println("status " + strconv.Itoa(res.StatusCode))
										} else {
											up++
											size += info.Size()
											state[name] = info.ModTime().Format(time.RFC3339)
										}
									}
								}
							}
						}
					}
					// Handle the case in which it was not found.
					if !found {
						// Only do this when it should be done.
						if !dry {
							// Get the data.
							data, _ := os.ReadFile(dir + "/" + name)
							req, _ := http.NewRequest("PUT", url+"/file/"+name, strings.NewReader(string(data)))
							req.Header.Set("X-Time", info.ModTime().Format(time.RFC3339))
							// Do the request.
							res, err := http.DefaultClient.Do(req)
							if err != nil {
								fmt.Println("error " + name)
							} else {
								if res.StatusCode != 200 {
									fmt.Println("status " + strconv.Itoa(res.StatusCode))
								} else {
									up++
									size += info.Size()
									state[name] = info.ModTime().Format(time.RFC3339)
								}
							}
						}
					}
				}
			}
		} else {
			if f.Name() != ".state" {
				// Get the info.
				info, _ := f.Info()
				// Not found yet.
				found := false
				// Iterate over the elements.
				for _, r := range remote {
					if r["name"].(string) == f.Name() {
						found = true
						// Get the time.
						t, _ := time.Parse(time.RFC3339, r["time"].(string))
						if info.ModTime().After(t) {
							if state[f.Name()] != nil && state[f.Name()].(string) != r["time"].(string) {
								conflicts++
								os.Rename(dir+"/"+f.Name(), dir+"/"+f.Name()+".conflict")
							} else {
								// Check the condition before going on.
								if !dry {
									// Get the data.
									data, _ := os.ReadFile(dir + "/" + f.Name())
									req, _ := http.NewRequest("PUT", url+"/file/"+f.Name(), strings.NewReader(string(data)))
									req.Header.Set("X-Time", info.ModTime().Format(time.RFC3339))
									// Do the request.
									res, err := http.DefaultClient.Do(req)
									if err == nil && res.StatusCode == 200 {
										up++
										size += info.Size()
										state[f.Name()] = info.ModTime().Format(time.RFC3339)
									} else {
										fmt.Println("error " + f.Name())
									}
								}
							}
						} else if t.After(info.ModTime()) {
							// Only do this when it should be done.
							if !dry {
								// Do the request.
								res, err := http.Get(url + "/file/" + f.Name())
								if err != nil {
									fmt.Println("error " + f.Name())
								} else {
									// Get the data.
									data, _ := io.ReadAll(res.Body)
									os.WriteFile(dir+"/"+f.Name(), data, 0777)
									os.Chtimes(dir+"/"+f.Name(), t, t)
									down++
									size += int64(len(data))
									state[f.Name()] = r["time"].(string)
								}
							}
						}
					}
				}
				// Handle the case in which it was not found.
				if !found {
					if state[f.Name()] != nil && del {
						// Check the condition before going on.
						if !dry {
							os.Remove(dir + "/" + f.Name())
							delete(state, f.Name())
							removed++
						}
					} else {
						// Only do this when it should be done.
						if !dry {
							// Get the data.
							data, _ := os.ReadFile(dir + "/" + f.Name())
							req, _ := http.NewRequest("PUT", url+"/file/"+f.Name(), strings.NewReader(string(data)))
							req.Header.Set("X-Time", info.ModTime().Format(time.RFC3339))
							// Do the request.
							res, err := http.DefaultClient.Do(req)
							if err == nil && res.StatusCode == 200 {
								up++
								size += info.Size()
								state[f.Name()] = info.ModTime().Format(time.RFC3339)
							} else {
								fmt.Println("error " + f.Name())
							}
						}
					}
				}
			}
		}
	}
	// Check the condition before going on.
	if !dry {
		out, _ := json.Marshal(state)
		os.WriteFile(dir+"/.state", out, 0777)
	}
	// Print a friendly message.
	fmt.Println("up " + strconv.Itoa(up) + " down " + strconv.Itoa(down) + " removed " + strconv.Itoa(removed))
	// Print some more information for the user.
	if conflicts > 0 {
		fmt.Println(strconv.Itoa(conflicts) + " conflicts")
	}
	// Print some more information for the user.
	if size > 1024*1024 {
		fmt.Println(strconv.FormatInt(size/1024/1024, 10) + " MB")
	} else if size > 1024 {
		fmt.Println(strconv.FormatInt(size/1024, 10) + " KB")
	} else {
		fmt.Println(strconv.FormatInt(size, 10) + " bytes")
	}
}
