package main

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

var state map[string]interface{}

func main() {
	dir := "."
	url := "http://localhost:9000"
	del := false
	dry := false
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
	b, err := os.ReadFile(dir + "/.state")
	if err == nil {
		json.Unmarshal(b, &state)
	}
	if state == nil {
		state = map[string]interface{}{}
	}
	resp, err := http.Get(url + "/list")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	body, _ := io.ReadAll(resp.Body)
	var remote []map[string]interface{}
	json.Unmarshal(body, &remote)
	files, _ := os.ReadDir(dir)
	up := 0
	down := 0
	removed := 0
	conflicts := 0
	var size int64
	for _, f := range files {
		if f.IsDir() {
			sub, _ := os.ReadDir(dir + "/" + f.Name())
			for _, s := range sub {
				if !s.IsDir() {
					info, _ := s.Info()
					name := f.Name() + "/" + s.Name()
					found := false
					for _, r := range remote {
						if r["name"].(string) == name {
							found = true
							t, _ := time.Parse(time.RFC3339, r["time"].(string))
							if info.ModTime().After(t) {
								if !dry {
									data, _ := os.ReadFile(dir + "/" + name)
									req, _ := http.NewRequest("PUT", url+"/file/"+name, strings.NewReader(string(data)))
									req.Header.Set("X-Time", info.ModTime().Format(time.RFC3339))
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
					if !found {
						if !dry {
							data, _ := os.ReadFile(dir + "/" + name)
							req, _ := http.NewRequest("PUT", url+"/file/"+name, strings.NewReader(string(data)))
							req.Header.Set("X-Time", info.ModTime().Format(time.RFC3339))
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
				info, _ := f.Info()
				found := false
				for _, r := range remote {
					if r["name"].(string) == f.Name() {
						found = true
						t, _ := time.Parse(time.RFC3339, r["time"].(string))
						if info.ModTime().After(t) {
							if state[f.Name()] != nil && state[f.Name()].(string) != r["time"].(string) {
								conflicts++
								os.Rename(dir+"/"+f.Name(), dir+"/"+f.Name()+".conflict")
							} else {
								if !dry {
									data, _ := os.ReadFile(dir + "/" + f.Name())
									req, _ := http.NewRequest("PUT", url+"/file/"+f.Name(), strings.NewReader(string(data)))
									req.Header.Set("X-Time", info.ModTime().Format(time.RFC3339))
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
							if !dry {
								res, err := http.Get(url + "/file/" + f.Name())
								if err != nil {
									fmt.Println("error " + f.Name())
								} else {
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
				if !found {
					if state[f.Name()] != nil && del {
						if !dry {
							os.Remove(dir + "/" + f.Name())
							delete(state, f.Name())
							removed++
						}
					} else {
						if !dry {
							data, _ := os.ReadFile(dir + "/" + f.Name())
							req, _ := http.NewRequest("PUT", url+"/file/"+f.Name(), strings.NewReader(string(data)))
							req.Header.Set("X-Time", info.ModTime().Format(time.RFC3339))
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
	if !dry {
		out, _ := json.Marshal(state)
		os.WriteFile(dir+"/.state", out, 0777)
	}
	fmt.Println("up " + strconv.Itoa(up) + " down " + strconv.Itoa(down) + " removed " + strconv.Itoa(removed))
	if conflicts > 0 {
		fmt.Println(strconv.Itoa(conflicts) + " conflicts")
	}
	if size > 1024*1024 {
		fmt.Println(strconv.FormatInt(size/1024/1024, 10) + " MB")
	} else if size > 1024 {
		fmt.Println(strconv.FormatInt(size/1024, 10) + " KB")
	} else {
		fmt.Println(strconv.FormatInt(size, 10) + " bytes")
	}
}
